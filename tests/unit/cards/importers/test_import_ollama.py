"""Models of Ollama's registry: each layer beside the weights is in the card, or in a note."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.modelfile import import_ollama_layers
from localai.cards.importers.ollama_layers import ollama_layers
from tests.unit.cards.importers.checking import BACKENDS, check_imported, prompt
from tests.unit.cards.importers.model_files import write_gguf, write_projector

TEMPLATE = "{{ range .Messages }}<{{ .Role }}>{{ .Content }}{{ end }}<assistant>"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "model.gguf")


def imported(model: Path, **layers: str) -> Imported:
    """Import the model with layers by the names of their files, `params_json` for one with."""
    for name, content in layers.items():
        (model.parent / name.replace("_", ".")).write_text(content, "utf-8")
    found = import_ollama_layers(model, ollama_layers(sorted(model.parent.iterdir())), BACKENDS)
    check_imported(found, model.parent)
    return found


def test_every_layer_arrives(model: Path) -> None:
    projector = write_projector(model.with_name("mmproj.gguf"))
    found = imported(
        model,
        template=TEMPLATE,
        system="Be kind.",
        params_json=json.dumps({"stop": ["<", "x"], "temperature": 0.6, "num_ctx": 4096.0}),
        messages_json=json.dumps([{"role": "user", "content": "Hi"}]),
    )

    assert found.card["model"] == str(model)
    assert found.card["defaults"] == {"stop": ["<", "x"], "temperature": 0.6}
    assert found.card["limits"]["context"] == 4096
    assert found.card["options"]["mmproj"] == str(projector)
    assert prompt(found.card["options"]["chat_template"], [["user", "Who?"]]) == (
        "<system>Be kind.<user>Hi\n\nWho?<assistant>"
    )
    assert any("TEMPLATE was translated from Go to Jinja" in note for note in found.notes)


def test_what_has_no_place_is_in_a_note(model: Path) -> None:
    found = imported(
        model,
        adapter_gguf="GGUF",
        draft_gguf="GGUF",
        license="MIT",
        params_json='{"num_keep": 4, "temperatur": 1}',
        messages_json='[{"role": "judge", "content": "no"}]',
    )

    for part in (
        "ADAPTER (adapter.gguf) is left out: llama_cpp takes no adapters",
        "DRAFT (draft.gguf) is left out",
        f"licence lies in {model.with_name('license')}",
        "`PARAMETER num_keep 4` is left out",
        "The parameter `temperatur` (1) of params.json is left out",
        "A message of messages.json is left out",
    ):
        assert any(part in note for note in found.notes), part
    assert "defaults" not in found.card


def test_a_template_without_a_jinja_form_leaves_the_file_s_own(model: Path) -> None:
    found = imported(model, template='{{ env "HOME" }}{{ .Prompt }}')

    assert "chat_template" not in found.card.get("options", {})
    assert any("not translated to Jinja, the file's own is used" in one for one in found.notes)


@pytest.mark.parametrize("content", ["{", "[1]", '"x"'])
def test_a_damaged_layer_is_in_a_note(model: Path, content: str) -> None:
    found = imported(model, params_json=content)
    assert [note for note in found.notes if "params.json is left out" in note]


def test_a_layer_that_is_too_large_is_in_a_note(model: Path) -> None:
    found = imported(model, system="x" * ((8 << 20) + 1))
    assert any("larger than 8 MiB" in note for note in found.notes)


def test_only_ollama_s_names_are_layers(tmp_path: Path) -> None:
    names = ["template", "system-2", "params.json", "license-3", "adapter-2.gguf"]
    others = ["model.gguf", "mmproj.gguf", "template.jinja", "params", "LICENSE", "system.gguf"]
    found = ollama_layers(tmp_path / name for name in names + others)
    assert [path.name for path in found] == names


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    with pytest.raises(CannotImport):
        import_ollama_layers(path, [], BACKENDS)
