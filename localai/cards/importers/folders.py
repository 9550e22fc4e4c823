"""Folders of models: diffusers', CTranslate2's, sentence-transformers' and transformers'."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from localai.cards.importers.described import Described, not_run
from localai.protocol.capabilities import Capability

_LARGEST_JSON = 4 << 20
_FILMS = ("Video", "Audio", "Wan", "LTX", "CogVideo", "Mochi", "Music", "Allegro", "Latte")
"""Parts of the names of pipelines that make no still pictures."""
_QUICK_STEPS = 4


def describe_folder(path: Path) -> Described | None:
    """Describe a folder by the files that name its kind; None where there is none of them."""
    if (index := read_json(path / "model_index.json")) is not None:
        return _diffusers(path, index)
    if (path / "modules.json").is_file():
        return _sentence_transformers(path)
    if (path / "model.bin").is_file() and (spec := _ctranslate2_spec(path / "model.bin")):
        return _ctranslate2(path, spec)
    if (path / "adapter_config.json").is_file():
        return not_run(f"{path.name} holds an adapter (LoRA), which is no model by itself.")
    if (config := read_json(path / "config.json")) is not None:
        return _transformers(path, config)
    return None


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a small JSON object from a file, None where there is none."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LARGEST_JSON))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _diffusers(path: Path, index: dict[str, Any]) -> Described:
    pipeline = str(index.get("_class_name", ""))
    if not pipeline or any(word in pipeline for word in _FILMS):
        return not_run(
            f"{path.name} is a folder in diffusers' format whose pipeline, "
            f"{pipeline or 'which it does not name'}, makes no pictures."
        )
    if not any(path.glob("*/*.safetensors")):
        return not_run(
            f"{path.name} is a folder in diffusers' format without weights in .safetensors; "
            "pickled ones (.bin) can run any code when they are read: fetch the .safetensors files."
        )
    return Described(
        "diffusers",
        f"{path.name} is a folder in diffusers' format ({pipeline}): diffusers draws with it.",
        options=_few_steps(path, index),
        limits={"max_concurrent": 1},
        name=path.name,
    )


def _few_steps(path: Path, index: dict[str, Any]) -> dict[str, Any]:
    """Return the steps of a distilled model, whose pipeline's default is many times too much."""
    transformer = read_json(path / "transformer" / "config.json") or {}
    is_quick_flux = transformer.get("_class_name") == "FluxTransformer2DModel" and (
        transformer.get("guidance_embeds") is False
    )
    name = f"{path.name} {index.get('_name_or_path', '')}".lower()
    if is_quick_flux or "turbo" in name or "schnell" in name:
        return {"steps": _QUICK_STEPS, "guidance_scale": 0}
    return {}


def _sentence_transformers(path: Path) -> Described:
    said = read_json(path / "config_sentence_transformers.json") or {}
    kind = str(said.get("model_type", "SentenceTransformer"))
    if kind != "SentenceTransformer":
        return not_run(
            f"{path.name} is a {kind} of sentence-transformers, which gives scores or sparse "
            "vectors: no backend here runs it."
        )
    return Described(
        "sentence_transformers",
        f"{path.name} is a folder of sentence-transformers (modules.json): sentence_transformers "
        "runs it for embeddings.",
        capabilities=(Capability.EMBEDDING,),
        name=path.name,
    )


def _ctranslate2_spec(path: Path) -> str:
    """Return what a `model.bin` of CTranslate2 calls its model, empty for any other file.

    The file begins with its version, then the length and the text of the name.
    """
    try:
        with path.open("rb") as file:
            version, length = struct.unpack("<IH", file.read(6))
            text = file.read(min(length, 64)).rstrip(b"\0").decode("ascii")
    except (OSError, struct.error, UnicodeDecodeError):
        return ""
    return text if 0 < version < 100 and text.endswith("Spec") else ""


def _ctranslate2(path: Path, spec: str) -> Described:
    if spec != "WhisperSpec":
        return not_run(
            f"{path.name} is a model in CTranslate2's format ({spec}), and only Whisper models in "
            "it are run here, by faster_whisper."
        )
    missing = [name for name in ("config.json", "tokenizer.json") if not (path / name).is_file()]
    notes = tuple(
        f"{name} is missing in {path.name}: fetch it from the same place." for name in missing
    )
    return Described(
        "faster_whisper",
        f"{path.name} is a Whisper model in CTranslate2's format: faster_whisper hears with it.",
        name=path.name,
        notes=notes,
    )


def _transformers(path: Path, config: dict[str, Any]) -> Described:
    names = config.get("architectures")
    name = str(names[0]) if isinstance(names, list) and names else "no known architecture"
    if "Whisper" in name:
        advice = "convert it by `ct2-transformers-converter`, for faster_whisper"
    elif "CausalLM" in name or "ConditionalGeneration" in name:
        advice = "fetch the model as a GGUF file, which llama_cpp runs, or convert it to one"
    elif "SequenceClassification" in name:
        advice = "it scores or ranks texts, and no backend here does"
    else:
        advice = (
            "where it is an embedding model, fetch the folder with its modules.json, which "
            "sentence_transformers runs"
        )
    return not_run(f"{path.name} is a folder of transformers ({name}): {advice}.")
