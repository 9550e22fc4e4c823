"""LocalAI's YAMLs in the folder of the cards that are made of them: they are kept, as no cards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.unit.cards.importers.model_files import write_gguf
from tests.unit.cli.ended import Ended
from tests.unit.store.file_server import serve_files

Run = Callable[..., Ended]
THEIRS = "name: {name}\nbackend: llama-cpp\nparameters: {{model: hf://org/repo/{name}.gguf}}\n"


def theirs(models: Path, file: str, *names: str) -> Path:
    path = models / file
    path.write_text("---\n".join(THEIRS.format(name=name) for name in names), "utf-8")
    return path


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def printed_mend(localai: Run, models: Path) -> list[str]:
    """Return the words of the command that `localai card check` names."""
    _, _, mend = localai("card", "check", str(models)).out.partition("To mend it: `localai ")
    return mend.partition("`")[0].split()


@pytest.mark.parametrize(
    ("file", "names"),
    [("both.yaml", ("a", "b")), ("a.yaml", ("a", "b")), ("foo.yaml", ("bar",)), ("a.yaml", ("a",))],
)
def test_the_command_that_is_named_mends_it(
    models: Path, localai: Run, file: str, names: tuple[str, ...]
) -> None:
    original = theirs(models, file, *names)
    text = original.read_text("utf-8")
    ended = localai(*printed_mend(localai, models))

    assert ended.code == 0, ended.err
    assert localai("card", "check", str(models)).code == 0
    kept = original.with_name(f"{file}.localai")
    assert kept.read_text("utf-8") == text
    assert f"Kept what was there as {kept}." in ended.err
    cards = [yaml.safe_load(path.read_text("utf-8")) for path in models.glob("*.yaml")]
    assert sorted(card["name"] for card in cards) == list(names)


def test_a_whole_folder_becomes_cards_in_its_place(models: Path, localai: Run) -> None:
    (models / "mine.yaml").write_text("name: mine\nbackend: echo\n", "utf-8")
    theirs(models, "foo.yaml", "bar")
    (models / "second.yaml").write_text("name: second\nalias: bar\n", "utf-8")
    unable = "name: sings\nbackend: bark\nparameters: {model: m.bin}\n"
    (models / "sings.yaml").write_text(unable, "utf-8")
    ended = localai("card", "import", str(models), "--output", str(models))

    assert ended.code == 0, ended.err
    assert "mine.yaml" not in ended.err  # what is a card already is no matter
    assert f"Not imported: {models / 'sings.yaml'}" in ended.err
    assert files_in(models) == {
        "mine.yaml", "bar.yaml", "foo.yaml.localai", "second.yaml.localai", "sings.yaml",
    }  # fmt: skip
    assert yaml.safe_load((models / "bar.yaml").read_text("utf-8"))["aliases"] == ["second"]


def test_what_lies_in_another_folder_stays(models: Path, tmp_path: Path, localai: Run) -> None:
    (tmp_path / "other").mkdir()
    original = theirs(tmp_path / "other", "a.yaml", "a")

    assert localai("card", "import", str(original), "--output", str(models)).code == 0
    assert (original.exists(), files_in(models)) == (True, {"a.yaml"})


def test_all_are_kept_or_none(models: Path, tmp_path: Path, localai: Run) -> None:
    (tmp_path / "other").mkdir()
    source = theirs(tmp_path / "other", "both.yaml", "a", "b")
    for name in "ab":
        theirs(models, f"{name}.yaml", name)
    (models / "b.yaml.localai").touch()
    ended = localai("card", "import", str(source), "--output", str(models), "--force")

    assert f"{models / 'b.yaml.localai'} is there already" in ended.err
    assert files_in(models) == {"a.yaml", "b.yaml", "b.yaml.localai"}


def test_pull_keeps_it_too(models: Path, tmp_path: Path, localai: Run) -> None:
    original, model = theirs(models, "tiny.yaml", "tiny"), write_gguf(tmp_path / "tiny.gguf")
    text = original.read_text("utf-8")
    refused = localai("pull", str(model))
    assert (refused.code, files_in(models)) == (1, {"tiny.yaml"})

    ended = localai("pull", str(model), "--force")
    kept = models / "tiny.yaml.localai"
    assert f"Kept what was there as {kept}." in ended.err
    assert kept.read_text("utf-8") == text
    assert yaml.safe_load(original.read_text("utf-8"))["model"] == str(model)

    assert localai("pull", str(model), "--force").err == ""  # a card is replaced, and not kept
    original.write_text(text, "utf-8")
    assert f"{kept} is there already" in localai("pull", str(model), "--force").err
    assert original.read_text("utf-8") == text


def test_install_keeps_it_and_leaves_it_where_nothing_comes(
    models: Path, tmp_path: Path, localai: Run
) -> None:
    original = theirs(models, "x.yaml", "x")
    text = original.read_text("utf-8")
    with serve_files() as server:
        url = server.put("/x.gguf", write_gguf(tmp_path / "x.gguf").read_bytes())
        entry: dict[str, object] = {"name": "x", "capabilities": ["chat"], "backend": "llama_cpp"}
        file = {"path": "x.gguf", "uri": url}
        entry["files"] = [file | {"sha256": "0" * 64}]
        gallery = tmp_path / "mine.yaml"
        gallery.write_text(yaml.safe_dump({"models": [entry]}), "utf-8")
        assert localai("gallery", "add", str(gallery)).code == 0
        assert localai("pull", "x", "--force").code == 1
        assert (files_in(models), original.read_text("utf-8")) == ({"x.yaml"}, text)

        entry["files"] = [file]
        gallery.write_text(yaml.safe_dump({"models": [entry]}), "utf-8")
        assert localai("gallery", "update").code == 0
        ended = localai("pull", "x", "--force")
    assert ended.code == 0, ended.err
    assert (models / "x.yaml.localai").read_text("utf-8") == text
    assert yaml.safe_load(original.read_text("utf-8"))["backend"] == "llama_cpp"


def test_a_modelfile_from_a_broken_card_is_told_what_is_wrong(
    models: Path, tmp_path: Path, localai: Run
) -> None:
    write_gguf(models / "tiny.gguf")
    card = models / "tiny.yaml"
    card.write_text("name: tiny\nbackend: llama_cpp\nmodle: tiny.gguf\n", "utf-8")
    modelfile = tmp_path / "mario.modelfile"
    for named in ("tiny", "tiny:latest"):
        modelfile.write_text(f"FROM {named}\n", "utf-8")
        ended = localai("card", "import", str(modelfile))
        assert (ended.code, ended.out) == (1, "")
        assert f"FROM names 'tiny', whose card is broken. {card}:3: " in ended.err
        assert "modle" in ended.err

    card.write_text("name: tiny\nbackend: llama_cpp\nmodel: tiny.gguf\n", "utf-8")
    assert localai("card", "import", str(modelfile)).code == 0
