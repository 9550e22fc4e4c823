from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.importing import import_card, import_cards
from localai.cards.importers.localai_template import LocalAITemplates, localai_to_jinja
from tests.unit.cards.importers.checking import (
    BACKENDS,
    CONVERSATION,
    DATA,
    check_imported,
    prompt,
    without_template,
)
from tests.unit.cards.importers.model_files import OWN_TEMPLATE, write_gguf

CASES = [
    case
    for path in sorted((DATA / "localai_cards").glob("*.yaml"))
    for case in yaml.safe_load_all(path.read_text("utf-8"))
]
BY_ABOUT = [case["about"] for case in CASES]
MODELS = [case for case in CASES if "localai" in case]


def imported(folder: Path, model: Any) -> Imported:
    """Import one model's data, or its text."""
    path = folder / "model.yaml"
    path.write_text(
        model if isinstance(model, str) else yaml.safe_dump(model, sort_keys=False), "utf-8"
    )
    return import_card(path, BACKENDS)


def test_there_are_cards_enough() -> None:
    assert len(CASES) >= 40
    assert len(set(BY_ABOUT)) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=BY_ABOUT)
def test_a_card_is_mapped_and_the_rest_is_noted(case: dict[str, Any], tmp_path: Path) -> None:
    found = imported(tmp_path, case.get("text", case.get("localai")))

    check_imported(found, tmp_path)
    assert without_template(found.card) == case["card"]
    noted = [mark[1] for note in found.notes if (mark := re.search("`([^`]+)`", note))]
    assert noted == case["noted"]
    assert all(note.endswith(".") for note in found.notes)


@pytest.mark.parametrize(
    "case", [case for case in CASES if "prompt" in case], ids=lambda case: str(case["about"])
)
def test_translated_templates_read_as_in_go(case: dict[str, Any], tmp_path: Path) -> None:
    template = imported(tmp_path, case["localai"]).card["options"]["chat_template"]

    assert prompt(template, CONVERSATION) == case["prompt"]


def leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value in a model's data."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from leaves(inner, (*place, key))
    elif value is not None:
        yield place


def without(data: dict[str, Any], place: tuple[Any, ...]) -> dict[str, Any]:
    """Return a copy that lacks the value at `place`."""
    changed = copy.deepcopy(data)
    inner: Any = changed
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    return changed


@pytest.mark.parametrize("case", MODELS, ids=lambda case: str(case["about"]))
def test_no_value_is_without_effect(case: dict[str, Any], tmp_path: Path) -> None:
    """Leaving out any value changes the card, a note or the reason; so nothing is dropped.

    Apart from `same`: values that say what holds without them.
    """
    whole = imported(tmp_path, case["localai"])
    silent = []
    for place in leaves(case["localai"]):
        try:
            same = imported(tmp_path, without(case["localai"], place)) == whole
        except CannotImport:
            continue
        if same:
            silent.append(".".join(map(str, place)))

    assert silent == case.get("same", [])


# --- files that are here ---


def test_a_model_that_is_here_is_named_by_its_path_and_asked(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "m.gguf")
    found = imported(tmp_path, {"name": "m", "parameters": {"model": "m.gguf"}})

    assert found.card == {"name": "m", "backend": "llama_cpp", "model": str(model)}
    assert "architecture llama" in found.backend_reason


def test_a_system_prompt_goes_before_the_files_own_template(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    data = {"name": "m", "system_prompt": "Be kind.", "parameters": {"model": "m.gguf"}}
    template = imported(tmp_path, data).card["options"]["chat_template"]

    assert template.endswith(OWN_TEMPLATE)
    assert prompt(template, [["user", "Hi"]]) == "[system]Be kind.[user]Hi"
    assert prompt(template, [["system", "S"], ["user", "Hi"]]) == "[system]S[user]Hi"


def test_a_template_without_jinja_form_gives_way_to_the_files_own(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    data = {
        "name": "m",
        "backend": "llama-cpp",
        "system_prompt": "Be kind.",
        "parameters": {"model": "m.gguf"},
        "template": {"chat": "{{ .Input | html }}"},
    }
    found = imported(tmp_path, data)

    assert any("the file's own is used: line 1: the function 'html'" in n for n in found.notes)
    assert prompt(found.card["options"]["chat_template"], [["user", "Hi"]]).startswith("[system]")


def test_a_damaged_model_is_noted(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF\3\0\0\0")
    data = {"name": "m", "backend": "llama-cpp", "parameters": {"model": "m.gguf"}}

    assert "cut off" in imported(tmp_path, data).notes[0]


# --- several models ---

LIST = """
- name: gpt-4
  backend: llama-cpp
  parameters: {model: m.gguf}
- {name: gpt-4o, alias: gpt-4, extra: 1}
- {name: whisper-1, backend: faster-whisper, parameters: {model: tiny}}
"""


def test_a_list_gives_a_card_for_each_model_and_aliases_go_to_theirs(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(LIST)
    first, second = import_cards(path, BACKENDS)

    assert (first.card["name"], first.card["aliases"]) == ("gpt-4", ["gpt-4o"])
    assert any(note.startswith("`extra`") for note in first.notes)
    assert second.card["model"] == "hf://Systran/faster-whisper-tiny"
    with pytest.raises(CannotImport, match="several models"):
        import_card(path, BACKENDS)


def test_documents_are_models_too(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(
        "name: a\nparameters: {model: a.gguf}\n---\nname: b\nparameters: {model: b.gguf}\n"
    )
    assert [card.card["name"] for card in import_cards(path, BACKENDS)] == ["a", "b"]


def test_names_are_made_to_fit(tmp_path: Path) -> None:
    found = imported(tmp_path, {"name": "My Model (4-bit)", "parameters": {"model": "m.gguf"}})

    assert found.card["name"] == "My-Model-4-bit-"
    assert any("'My Model (4-bit)' is written" in note for note in found.notes)


# --- refused ---


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no model"),
        ("- 1", "no model"),
        ("a: [", "not valid YAML"),
        ("a: 1\na: 2", "'a' is written twice"),
        ("? [a]\n: 1", "key that is not plain text"),
        ("name: x", "names no backend"),
        ("name: x\nbackend: llama-cpp", "names no model"),
        ("name: x\nalias: gpt-4", "only leads to 'gpt-4'"),
        ("name: x\nbackend: whisper\nparameters: {model: g.bin}", "CTranslate2"),
        ("name: x\nbackend: vulkan-stablediffusion-ggml\nparameters: {model: g}", "diffusers"),
        ("name: x\nbackend: depth-anything\nparameters: {model: g}", "no match here"),
        ("name: x\nreranking: true\nparameters: {model: g.gguf}", "ranks texts"),
        ("name: x\nparameters: {model: ../g.gguf}", "outside the folder"),
        ("name: x\nparameters: {model: /etc/g.gguf}", "outside the folder"),
        (
            "name: x\nparameters: {model: g.gguf}\n"
            "download_files: [{filename: ../../x, uri: 'https://example.org/x'}]",
            "outside the folder",
        ),
    ],
)
def test_what_cannot_be_a_card_is_refused_with_a_reason(
    text: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CannotImport, match=re.escape(reason)) as refusal:
        imported(tmp_path, text)
    assert str(tmp_path / "model.yaml") in str(refusal.value)


def test_a_card_is_not_imported_again(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="is a card already"):
        imported(tmp_path, {"name": "a", "backend": "llama_cpp", "model": "a.gguf"})


def test_anchors_cannot_stand_for_a_large_file(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    with pytest.raises(CannotImport, match="too many values"):
        imported(tmp_path, bomb)


# --- messages with calls of functions ---


def test_calls_of_functions_are_written_as_labels_say() -> None:
    templates = LocalAITemplates(
        roles=(("user", "U:"), ("assistant_function_call", "CALL:"), ("tool", "T:")),
    )
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    template = localai_to_jinja(templates)

    assert prompt(template, [["assistant", ""]], tool_calls=[call]) == (
        'CALL: [{"function":{"name":"f","arguments":{"a":1}}}]'
    )
