"""Modelfiles whose FROM names a model that is here, or the file of one by its hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.importing import import_card
from localai.cards.resolved import ResolvedCard
from tests.unit.cards.importers.checking import BACKENDS, check_imported, prompt
from tests.unit.cards.importers.model_files import write_gguf
from tests.unit.cards.read_cards import read_card
from tests.unit.cards.samples import write_card

BLOB = "sha256-" + "0359" * 16


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    write_gguf(folder / "weights.gguf")
    return folder


def modelfile(tmp_path: Path, text: str, name: str = "mario.modelfile") -> Path:
    path = tmp_path / "elsewhere" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def derived(models: Path, text: str, card: str, *, name: str | None = None) -> Imported:
    """Import a Modelfile in another folder than the card of `tiny`."""
    tiny = read_card(write_card(models / "tiny.yaml", f"name: tiny\n{card}"), BACKENDS)

    def called(name: str) -> ResolvedCard | None:
        return tiny if name == "tiny" else None

    path = modelfile(models.parent, text, "Modelfile" if name else "mario.modelfile")
    found = import_card(path, BACKENDS, card_called=called, name=name)
    check_imported(found, models.parent)
    return found


CARD = """\
backend: llama_cpp
model: weights.gguf
description: Not of the new one
aliases: [gpt-4]
capabilities: [chat]
defaults: {temperature: 0.9, top_k: 7}
limits: {queue: 3}
keep_alive: 60
lenient: true
options: {n_ctx: 1024, n_threads: 2}
"""


@pytest.mark.parametrize("named", ["tiny", "tiny:latest"])
def test_a_model_of_here_is_taken_with_what_its_card_says(models: Path, named: str) -> None:
    text = f"FROM {named}\nSYSTEM You are Mario.\nPARAMETER temperature 0.1\n"
    found = derived(models, text, CARD)
    template = found.card["options"].pop("chat_template")

    assert found.card == {
        "name": "mario",
        "capabilities": ["chat"],
        "backend": "llama_cpp",
        "model": str(models / "weights.gguf"),
        "defaults": {"temperature": 0.1, "top_k": 7},
        "limits": {"queue": 3, "context": 1024, "max_concurrent": 2},
        "keep_alive": 60,
        "options": {"n_threads": 2},
        "lenient": True,
    }
    assert prompt(template, [["user", "Hi"]]) == "[system]You are Mario.[user]Hi"
    assert found.backend_reason == f"FROM names 'tiny', which is here: {models / 'tiny.yaml'}."


def test_the_context_of_the_modelfile_takes_the_place_of_the_cards(models: Path) -> None:
    found = derived(models, "FROM tiny\nPARAMETER num_ctx 2048\n", CARD)

    assert found.card["limits"]["context"] == 2048
    assert "n_ctx" not in found.card["options"]
    told = "`PARAMETER num_ctx 2048` (2048) takes the place of what `FROM` says (1024)."
    assert told in found.notes


def test_the_template_of_the_card_is_kept_and_begins_with_the_new_system(models: Path) -> None:
    card = """\
backend: llama_cpp
model: weights.gguf
options:
  chat_template: "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
"""
    plain = derived(models, "FROM tiny\n", card).card["options"]["chat_template"]
    mario = derived(models, "FROM tiny\nSYSTEM Mario\n", card).card["options"]["chat_template"]

    assert prompt(plain, [["user", "Hi"]]) == "<user>Hi"
    assert prompt(mario, [["user", "Hi"]]) == "<system>Mario<user>Hi"


TEMPLATED = "backend: llama_cpp\nmodel: weights.gguf\noptions: {chat_template: of the card}\n"


@pytest.mark.parametrize("theirs", ["{{ .Prompt }}", "{{ .Content | html }}"])
@pytest.mark.parametrize(
    ("card", "used"),
    [(TEMPLATED, "that of 'tiny' is used"), (CARD, "the file's own is used")],
)
def test_a_template_left_out_is_told_with_the_one_that_is_used(
    models: Path, theirs: str, card: str, used: str
) -> None:
    found = derived(models, f'FROM tiny\nTEMPLATE "{theirs}"\n', card)

    (note,) = (one for one in found.notes if one.startswith("TEMPLATE"))
    assert used in note
    assert ("file's own" in note) == ("file's own" in used)


def test_what_lies_elsewhere_is_named_as_the_card_does(models: Path) -> None:
    named = derived(models, "FROM tiny\n", "backend: llama_cpp\nmodel: hf://org/tiny\n")
    assert named.card["model"] == "hf://org/tiny"

    listed = """\
backend: llama_cpp
model: far.gguf
files: [{path: far.gguf, uri: "https://example.org/far.gguf"}]
options: {mmproj: eyes.gguf}
"""
    (models / "eyes.gguf").write_bytes(b"GGUF")
    far = derived(models, "FROM tiny\n", listed)
    assert far.card["model"] == "https://example.org/far.gguf"
    assert far.card["files"] == [{"path": "far.gguf", "uri": "https://example.org/far.gguf"}]
    assert far.card["options"] == {"mmproj": str(models / "eyes.gguf")}

    write_gguf(models / "far.gguf")
    here = derived(models, "FROM tiny\n", listed)
    assert here.card["model"] == str(models / "far.gguf")
    assert "files" not in here.card


def test_a_system_for_a_model_not_here_yet_is_noted(models: Path) -> None:
    card = "backend: llama_cpp\nmodel: hf://org/tiny\n"
    found = derived(models, "FROM tiny\nSYSTEM Mario\n", card)

    assert any("`localai pull hf://org/tiny` and import again" in note for note in found.notes)


def test_the_new_model_needs_a_name(models: Path, tmp_path: Path) -> None:
    tiny = read_card(write_card(models / "tiny.yaml", f"name: tiny\n{CARD}"), BACKENDS)
    path = modelfile(tmp_path, "FROM tiny\n", "Modelfile")
    with pytest.raises(
        CannotImport, match=r"'tiny' is the model that it is made from: say with --n"
    ):
        import_card(path, BACKENDS, card_called=lambda _: tiny)
    assert derived(models, "FROM tiny\n", CARD, name="peach").card["name"] == "peach"


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("backend: echo\n", r"which echo runs here, .*: copy its card /.*tiny\.yaml instead"),
        ("backend: llama_cpp\nmodel: gone.gguf\n", r"gone\.gguf does not exist"),
    ],
)
def test_what_no_modelfile_can_begin_with_is_told(models: Path, card: str, reason: str) -> None:
    with pytest.raises(CannotImport, match=reason):
        derived(models, "FROM tiny\n", card)


def test_names_that_nobody_has_here_are_ollamas(models: Path) -> None:
    assert derived(models, "FROM other\n", CARD).card["model"] == "ollama://other"


def test_a_file_beside_it_and_a_reference_count_before_a_card(models: Path, tmp_path: Path) -> None:
    own = write_gguf(modelfile(tmp_path, "").parent / "tiny")
    assert derived(models, "FROM tiny\n", CARD).card["model"] == str(own)

    def none(_: str) -> ResolvedCard | None:
        raise AssertionError("a reference is no card's name")

    path = modelfile(tmp_path, "FROM hf.co/org/tiny\n")
    assert import_card(path, BACKENDS, card_called=none).card["model"] == "hf://org/tiny"


# --- what `ollama show --modelfile` writes ---


SHOWN = """\
# Modelfile generated by "ollama show"
# To build a new Modelfile based on this, replace FROM with:
# FROM {name}

FROM {blob}
PARAMETER top_k 7
"""


@pytest.mark.parametrize(
    ("called", "name"),
    [("llama3.2:latest", "llama3.2"), ("ns/llama3.2:1b", "llama3.2-1b")],
)
def test_the_comment_names_the_model_of_a_file_called_by_its_hash(
    tmp_path: Path, called: str, name: str
) -> None:
    blob = write_gguf(tmp_path / BLOB)
    path = modelfile(tmp_path, SHOWN.format(name=called, blob=blob), "Modelfile")
    found = import_card(path, BACKENDS)

    assert (found.card["name"], found.card["model"]) == (name, str(blob))


def test_without_the_comment_a_name_is_asked_for(tmp_path: Path) -> None:
    blob = write_gguf(tmp_path / BLOB)
    path = modelfile(tmp_path, f"FROM {blob}\n", "Modelfile")
    with pytest.raises(CannotImport, match=r"by its hash, .*: say with --name what the new one"):
        import_card(path, BACKENDS)
    assert import_card(path, BACKENDS, name="mine").card["name"] == "mine"
