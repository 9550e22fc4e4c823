"""The folder of models of a LocalAI: all its YAMLs at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.importing import import_cards, is_description
from tests.unit.cards.importers.checking import BACKENDS, check_imported
from tests.unit.cards.importers.model_files import write_gguf, write_whisper


def imported(folder: Path, **files: str) -> list[Imported]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    found = import_cards(folder, BACKENDS)
    for one in found:
        check_imported(one, folder)
    return found


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder with one model's file, which would be a model itself but for the YAMLs."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    write_gguf(folder / "g.gguf")
    return folder


def test_every_yaml_becomes_a_card_and_aliases_cross_files(theirs: Path) -> None:
    found = imported(
        theirs,
        a="name: first\nalias: two\n",
        b="name: one\nbackend: llama-cpp\nparameters: {model: g.gguf}\n",
        c="name: two\nparameters: {model: hf://org/x/x.gguf}\n",
    )

    assert [(one.card["name"], one.card["model"]) for one in found] == [
        ("one", str(theirs / "g.gguf")),
        ("two", "hf://org/x/x.gguf"),
    ]
    assert found[1].card["aliases"] == ["first"]


def test_what_is_refused_is_told_with_its_file(theirs: Path) -> None:
    found = imported(
        theirs,
        a="name: a\nparameters: {model: g.gguf}\n",
        compose="services: {web: 1}\n",
        lost="name: lost\nalias: nobody\n",
        rank="name: r\nbackend: rerankers\nparameters: {model: x}\n",
        wrong="name: [\n",
    )

    assert [one.card["name"] for one in found] == ["a"]
    told = [note for note in found[0].notes if note.startswith("Not imported: ")]
    for name in ("compose", "lost", "rank", "wrong"):
        assert any(str(theirs / f"{name}.yaml") in note for note in told), name
    assert len(told) == 4


def test_a_folder_of_which_nothing_can_run_is_refused(theirs: Path) -> None:
    rank = "name: r\nbackend: rerankers\nparameters: {model: x}\n"
    with pytest.raises(CannotImport, match="no backend here ranks"):
        imported(theirs, rank=rank)
    with pytest.raises(CannotImport, match=r"no model YAML .* no backend here ranks") as caught:
        imported(theirs, compose="services: {web: 1}\n", rank=rank)
    assert str(caught.value).startswith(f"{theirs}: nothing in it can be imported. ")


def test_a_folder_without_such_yamls_is_a_model(theirs: Path) -> None:
    (found,) = imported(theirs, compose="services: {web: 1}\n")

    assert found.card["model"] == str(theirs / "g.gguf")


MERGED = "merge_method: slerp\nmodels: [{model: a/b}]\nparameters: {t: [0, 1]}\n"
"""What mergekit leaves beside the models that it makes."""


def test_what_other_programs_left_beside_a_model_is_no_description(theirs: Path) -> None:
    (found,) = imported(theirs, mergekit_config=MERGED, bar="name: b\nthreads: 4\n")

    assert found.card["model"] == str(theirs / "g.gguf")


def test_a_folder_that_says_itself_what_it_is_counts_before_its_yamls(tmp_path: Path) -> None:
    whisper = write_whisper(tmp_path / "whisper")
    (found,) = imported(whisper, x="name: x\nparameters: {model: m.gguf}\n")

    assert (found.card["backend"], found.card["model"]) == ("faster_whisper", str(whisper))
    assert not is_description(whisper, BACKENDS)
