from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.importing import import_card
from localai.cards.importers.modelfile_syntax import parse_modelfile
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
