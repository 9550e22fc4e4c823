from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.importing import import_card
from localai.cards.importers.modelfile_syntax import parse_modelfile
from localai.cards.resolved import Meaning
from tests.unit.cards.importers.checking import (
    BACKENDS,
    CONVERSATION,
    DATA,
    check_imported,
    prompt,
    without_template,
)
from tests.unit.cards.importers.model_files import write_gguf, write_projector

CASES = list(yaml.safe_load_all((DATA / "modelfiles.yaml").read_text("utf-8")))


def imported(folder: Path, text: str | bytes) -> Imported:
    """Import a Modelfile beside `own.gguf`, a file with a template of its own."""
    path = folder / "Modelfile"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return import_card(path, BACKENDS)


def test_there_are_modelfiles_enough() -> None:
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES, ids=[case["about"] for case in CASES])
def test_a_modelfile_is_mapped_and_the_rest_is_noted(case: dict[str, Any], tmp_path: Path) -> None:
    write_gguf(tmp_path / "own.gguf")
    found = imported(tmp_path, case["modelfile"])

    check_imported(found, tmp_path)
    if "card" in case:
        assert without_template(found.card) == case["card"]
    noted = [mark[1] for note in found.notes if (mark := re.search("`([^`]+)`", note))]
    assert noted == case["noted"]
    for part in case.get("mentioned", ()):
        assert any(part in note for note in found.notes), part


@pytest.mark.parametrize(
    "case", [case for case in CASES if "prompt" in case], ids=lambda case: str(case["about"])
)
def test_prompts_read_as_in_ollama(case: dict[str, Any], tmp_path: Path) -> None:
    write_gguf(tmp_path / "own.gguf")
    template = imported(tmp_path, case["modelfile"]).card["options"]["chat_template"]

    assert prompt(template, case.get("messages", CONVERSATION)) == case["prompt"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_ends_of_lines_do_not_matter(
    encoding: str, newline: str, tmp_path: Path
) -> None:
    text = 'FROM m\nSYSTEM """ä\nö"""\n\tPARAMETER\ttop_k\t7\n'.replace("\n", newline)
    commands = parse_modelfile(text.encode(encoding).decode(encoding), tmp_path)

    assert [(one.name, one.key, one.value) for one in commands] == [
        ("from", "", "m"), ("system", "", "ä\nö"), ("parameter", "top_k", "7"),
    ]  # fmt: skip
    assert imported(tmp_path, text.encode(encoding)).card["defaults"] == {"top_k": 7}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no FROM line"),
        ("SYSTEM hi", "no FROM line"),
        (
            "FROM m\nFORM x",
            '(line 2): command must be one of "from", "license", "template", "system", "adapter", '
            '"draft", "renderer", "parser", "parameter", "message", or "requires"',
        ),
        (
            "FROM m\n\nMESSAGE judge guilty",
            '(line 3): message role must be one of "system", "user", or "assistant"',
        ),
        ('FROM m\nSYSTEM """never ends', "unexpected EOF"),
        ("FROM m\nPARAMETER top_k", "unexpected EOF"),
        ("FROM m\nPARAMETER colour blue", "unknown parameter 'colour'"),
        ("FROM m\nPARAMETER num_ctx many", "invalid int value [many]"),
        ("FROM m\nPARAMETER top_p high", "invalid float value [high]"),
        ("FROM m\nPARAMETER use_mmap maybe", "invalid bool value [maybe]"),
        ("FROM ./none.gguf", "which is not there"),
    ],
)
def test_what_ollama_refuses_is_refused_in_its_words(
    text: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CannotImport, match=re.escape(reason)) as refusal:
        imported(tmp_path, text)
    assert str(tmp_path / "Modelfile") in str(refusal.value)


def test_a_projector_beside_the_file_lets_it_see(tmp_path: Path) -> None:
    write_gguf(tmp_path / "own.gguf")
    projector = write_projector(tmp_path / "mmproj-own.gguf")

    assert imported(tmp_path, "FROM ./own.gguf").card["options"] == {"mmproj": str(projector)}


def test_other_formats_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub/config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    with pytest.raises(CannotImport, match="GGUF"):
        imported(tmp_path, "FROM ./hub")


def test_a_modelfile_of_any_name_is_known_by_its_first_words(tmp_path: Path) -> None:
    path = tmp_path / "mario.txt"
    path.write_text("# who\nFROM llama3.2\n")

    assert import_card(path, BACKENDS).card["model"] == "ollama://llama3.2"


# --- what `ollama show --modelfile` prints ---


def blob(folder: Path, name: str, *, projector: bool = False) -> Path:
    """Write a file as Ollama keeps it, without any ending."""
    path = folder / f"sha256-{name * 64}"
    (write_projector if projector else write_gguf)(path.with_suffix(".gguf")).rename(path)
    return path


@pytest.mark.parametrize("projector_first", [False, True])
def test_further_lines_with_from_are_projectors(projector_first: bool, tmp_path: Path) -> None:
    model, eyes = blob(tmp_path, "a"), blob(tmp_path, "b", projector=True)
    other = blob(tmp_path, "c", projector=True)
    files = [eyes, model, other] if projector_first else [model, eyes, other]
    shown = "".join(f"FROM {path}\n" for path in files)
    found = imported(tmp_path, f"# FROM llava\n{shown}PARAMETER stop [INST]\nLICENSE MIT\n")

    check_imported(found, tmp_path)
    assert found.card["model"] == str(model)
    assert found.card["options"] == {"mmproj": str(eyes)}
    assert any(f"FROM {other} is left out" in note for note in found.notes)


def test_of_several_models_the_last_is_taken(tmp_path: Path) -> None:
    models = [blob(tmp_path, name) for name in "ab"]
    found = imported(tmp_path, "# FROM m\n" + "".join(f"FROM {path}\n" for path in models))

    assert found.card["model"] == str(models[1])
    assert any(f"FROM {models[0]} is left out" in note for note in found.notes)


@pytest.mark.parametrize(
    "more",
    [
        "TEMPLATE {{ .Prompt }}",
        "TEMPLATE {{ .Prompt }}\nRENDERER qwen3-coder\nPARSER qwen3-coder",
        'TEMPLATE """{{ .System }} {{ .Prompt }}"""\nRENDERER qwen3.5',
    ],
)
def test_templates_that_ollama_does_not_use_leave_the_files_own(more: str, tmp_path: Path) -> None:
    write_gguf(tmp_path / "own.gguf")
    found = imported(tmp_path, f"FROM ./own.gguf\n{more}\n")

    assert "options" not in found.card
    assert any(note.startswith("TEMPLATE (") for note in found.notes)


def test_hugging_face_may_be_named_with_a_file(tmp_path: Path) -> None:
    found = imported(tmp_path, "FROM huggingface.co/org/repo/m.gguf")
    assert found.card["model"] == "hf://org/repo/m.gguf"


# --- models that were pulled ---


class Store:
    """Has one model of Ollama's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, reference: str, sha256: str | None = None, /) -> Path | None:
        return self._path if reference == "ollama://llama3.2:latest" else None

    def meaning(self, text: str, /) -> Meaning | None:
        return Meaning(f"{text}:latest")

    def damaged(self, path: Path, /) -> str | None:
        return None


def test_a_pulled_model_brings_what_the_modelfile_does_not_say(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "model.gguf")
    (tmp_path / "system").write_text("You are a model.")
    (tmp_path / "params.json").write_text('{"stop": ["</s>"], "top_k": 20, "temperature": 0.9}')
    path = tmp_path / "Modelfile"
    path.write_text("FROM llama3.2\nPARAMETER temperature 0.1\n")
    found = import_card(path, BACKENDS, locate=Store(model))

    check_imported(found, tmp_path)
    assert found.card["name"] == "llama3.2"
    assert found.card["model"] == "ollama://llama3.2:latest"
    assert found.card["defaults"] == {"stop": ["</s>"], "top_k": 20, "temperature": 0.1}
    template = found.card["options"]["chat_template"]
    assert prompt(template, [["user", "Hi"]]) == "[system]You are a model.[user]Hi"

    path.write_text("FROM llama3.2\nSYSTEM You are Mario.\n")
    mario = import_card(path, BACKENDS, locate=Store(model)).card["options"]["chat_template"]
    assert prompt(mario, [["user", "Hi"]]) == "[system]You are Mario.[user]Hi"
