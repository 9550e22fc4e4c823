"""The files of a LocalAI YAML: what may be fetched, what stays in its folder, and names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.importing import import_card, import_cards
from localai.store.whereabouts import Locator
from tests.unit.cards.importers.checking import BACKENDS, check_imported
from tests.unit.cards.importers.model_files import write_gguf, write_json

PICTURES = {"name": "m", "backend": "diffusers", "parameters": {"model": "org/pictures"}}
LLAMA = {"name": "m", "backend": "llama-cpp", "parameters": {"model": "m.gguf"}}


def imported(folder: Path, **data: Any) -> Imported:
    """Import a model's data with a store that is empty, as `localai card import` does."""
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(data), "utf-8")
    found = import_card(path, BACKENDS, locate=Locator(folder / "store"))
    check_imported(found, folder)
    return found


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("huggingface://org/repo/a/m.gguf@v1", "hf://org/repo/a/m.gguf@v1"),
        ("hf.co/org/repo/m.gguf", "hf://org/repo/m.gguf"),
        (
            "github:org/repo/m.gguf@main",
            "https://raw.githubusercontent.com/org/repo/main/m.gguf",
        ),
        ("oci://docker.io/ai/smollm2", "oci://docker.io/ai/smollm2:latest"),
        ("ollama://gemma:2b", "ollama://gemma:2b"),
    ],
)
def test_references_are_written_as_the_store_reads_them(
    written: str, canonical: str, tmp_path: Path
) -> None:
    assert imported(tmp_path, name="m", parameters={"model": written}).card["model"] == canonical
    listed = [{"filename": "x.gguf", "uri": written}]
    found = imported(tmp_path, **LLAMA | {"download_files": listed, "mmproj": written})
    assert [file["uri"] for file in found.card["files"]] == [canonical, canonical]


def test_what_nothing_here_can_fetch_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match=r"'ocifile://a\.io/b' cannot be fetched"):
        imported(tmp_path, name="m", backend="llama-cpp", parameters={"model": "ocifile://a.io/b"})
    listed = [{"filename": "x.gguf", "uri": "ocifile://a.io/b"}]
    found = imported(tmp_path, **LLAMA | {"download_files": listed, "mmproj": "ocifile://a.io/c"})
    assert "files" not in found.card
    assert "options" not in found.card
    assert any(
        "`download_files[0]`" in note and "cannot be fetched" in note for note in found.notes
    )
    assert any("`mmproj`" in note for note in found.notes)


@pytest.mark.parametrize(
    "data",
    [
        LLAMA | {"mmproj": "../../etc/passwd"},
        LLAMA | {"mmproj": "/etc/passwd"},
        LLAMA | {"options": ["mmproj:../x.gguf"]},
        LLAMA | {"mmproj": "C:\\x.gguf"},
        PICTURES | {"lora_adapter": "../../x.safetensors"},
        PICTURES | {"lora_adapters": ["/x.safetensors"]},
        PICTURES | {"options": ["config:../../x"]},
        LLAMA | {"template": {"chat": "../secret"}},
    ],
)
def test_no_path_leaves_the_folder_of_models(data: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="is outside the folder of models"):
        imported(tmp_path, **data)


def test_adapters_are_named_from_the_folder_of_models(tmp_path: Path) -> None:
    here = tmp_path / "loras/style.safetensors"
    here.parent.mkdir()
    here.touch()
    found = imported(
        tmp_path,
        **PICTURES | {"lora_adapter": "loras/style.safetensors", "lora_scale": "0.5"},
    )
    assert found.card["options"]["lora"] == [{"path": str(here), "scale": 0.5}]
    found = imported(tmp_path, **PICTURES | {"lora_adapters": ["none.safetensors"]})
    assert "'none.safetensors' is not here" in found.notes[0]


def test_a_speaker_is_taken_if_the_voice_has_it(tmp_path: Path) -> None:
    (tmp_path / "v.onnx").write_bytes(b"\x08\x07" + bytes(50))
    voice = {"phoneme_id_map": {}, "num_speakers": 2, "speaker_id_map": {"ada": 0, "bob": 1}}
    write_json(tmp_path / "v.onnx.json", voice)
    data = {"name": "v", "backend": "piper", "parameters": {"model": "v.onnx"}}

    for speaker in ("bob", "1"):
        found = imported(tmp_path, **data | {"tts": {"voice": speaker}})
        assert found.card["options"] == {"voice": speaker}
    found = imported(tmp_path, **data | {"tts": {"voice": "paola"}})
    assert "options" not in found.card
    assert "has no such speaker" in found.notes[0]
    absent = data | {"parameters": {"model": "w.onnx"}, "tts": {"voice": "bob"}}
    assert any(
        "not here to tell its speakers" in note for note in imported(tmp_path, **absent).notes
    )


# --- several models ---


def import_text(folder: Path, text: str) -> list[Imported]:
    path = folder / "models.yaml"
    path.write_text(text, "utf-8")
    return import_cards(path, BACKENDS)


@pytest.mark.parametrize("names", [("a", "a"), ("a/b", "a-b"), ("A", "a")])
def test_two_models_never_share_a_file(names: tuple[str, str], tmp_path: Path) -> None:
    text = "".join(f"- {{name: {name}, parameters: {{model: m.gguf}}}}\n" for name in names)
    with pytest.raises(CannotImport, match=f"two models, '{names[0]}' and '{names[1]}'"):
        import_text(tmp_path, text)


def test_aliases_are_made_to_fit_and_find_their_renamed_model(tmp_path: Path) -> None:
    (found,) = import_text(
        tmp_path,
        "- {name: my model, parameters: {model: m.gguf}}\n"
        "- {name: other name, alias: my model}\n- {name: 1.10, alias: my model}\n",
    )
    check_imported(found, tmp_path)
    assert found.card["name"] == "my-model"
    assert found.card["aliases"] == ["other-name", "1.10"]
    assert any("'other name' is written 'other-name'" in note for note in found.notes)
    with pytest.raises(CannotImport, match="has no name"):
        import_text(tmp_path, "- {name: a, parameters: {model: m.gguf}}\n- {alias: a}\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: rt\npipeline: {vad: silero-vad, llm: gpt-4}", "has `pipeline` in place of a model"),
        ("name: c\nproxy: {upstream_url: 'https://example.org'}", "has `proxy` in place"),
        ("name: c\nrouter: {classifier: score}", "has `router` in place"),
        ("name: llama3\nconfig_file: |\n  backend: llama-cpp\n", "`localai install NAME`"),
        ("name: c", "names no backend, and no model that would tell one"),
    ],
)
def test_what_is_no_model_is_told_for_what_it_is(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match=reason):
        import_text(tmp_path, text)


# --- odd sources ---


def test_sources_that_would_keep_the_reader_waiting_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.gguf")
    with pytest.raises(CannotImport, match="neither a file nor a folder"):
        import_card(tmp_path / "m.gguf", BACKENDS)
    os.mkfifo(tmp_path / "a-mmproj.gguf")
    assert "no plain file" in import_card(write_gguf(tmp_path / "n.gguf"), BACKENDS).notes[0]
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(CannotImport):
        import_card(tmp_path / "loop", BACKENDS)
