"""Folders of models: diffusers', CTranslate2's, sentence-transformers' and transformers'."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from localai.cards.importers.described import Described, not_run
from localai.cards.pickles import pickled_weights
from localai.protocol.capabilities import Capability

_LARGEST_JSON = 4 << 20
_DRAWING = frozenset(
    {
        "AuraFlowPipeline", "ChromaPipeline", "CogView3PlusPipeline", "CogView4Pipeline",
        "Flux2KleinPipeline", "Flux2Pipeline", "FluxPipeline", "GlmImagePipeline",
        "HunyuanDiTPipeline", "Kandinsky3Pipeline", "LatentConsistencyModelPipeline",
        "Lumina2Pipeline", "LuminaPipeline", "OvisImagePipeline", "PRXPipeline",
        "PixArtAlphaPipeline", "PixArtSigmaPipeline", "QwenImagePipeline", "SanaPipeline",
        "StableDiffusion3Pipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline",
        "ZImagePipeline",
    }
)  # fmt: skip
"""Pipelines in one folder that need a text alone.

Source: https://huggingface.co/docs/diffusers/api/pipelines/auto_pipeline
"""
_FILTERS = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
"""Parts that only look at answers, or at pictures that nobody sends: the worker loads none."""
_QUICK_STEPS = 4


def describe_folder(path: Path, trust: bool = False) -> Described | None:
    """Describe a folder by the files that name its kind; None where there is none of them.

    With `trust` its pickles are taken, if its backend reads any.
    """
    if (index := read_json(path / "model_index.json")) is not None:
        return _diffusers(path, index)
    if (path / "modules.json").is_file():
        return _sentence_transformers(path, trust)
    if (path / "model.bin").is_file() and (spec := _ctranslate2_spec(path / "model.bin")):
        return _ctranslate2(path, spec)
    if (path / "adapter_config.json").is_file():
        return not_run(f"{path.name} holds an adapter (LoRA), which is no model by itself.")
    if (config := read_json(path / "config.json")) is not None:
        return _transformers(path, config)
    return None


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a small JSON object from a file, None where there is none."""
    content = _read(path)
    return content if isinstance(content, dict) else None


def _read(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_LARGEST_JSON))
    except (OSError, ValueError, RecursionError):
        return None


def _diffusers(path: Path, index: dict[str, Any]) -> Described:
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str):
        return not_run(
            f"{path.name} is a folder in diffusers' format whose pipeline is not diffusers' own "
            f"({json.dumps(pipeline)}): none of its code is run here."
        )
    if pipeline not in _DRAWING:
        return not_run(
            f"{path.name} is a folder in diffusers' format whose pipeline, {pipeline}, makes no "
            "pictures from text alone."
        )
    parts = pipeline_parts(index)
    if missing := [name for name in parts if not (path / name).is_dir()]:
        return not_run(
            f"{path.name} lacks the folders {', '.join(missing)}, which its model_index.json "
            "names: fetch the whole repository."
        )
    if pickles := _pickles(path, parts):
        return not_run(_says_pickles(path, pickles))
    if not any(path.glob("*/*.safetensors")):
        return not_run(f"{path.name} is a folder in diffusers' format without .safetensors.")
    return Described(
        "diffusers",
        f"{path.name} is a folder in diffusers' format ({pipeline}): diffusers draws with it.",
        options=_few_steps(path, index),
        limits={"max_concurrent": 1},
        name=path.name,
    )


def pipeline_parts(index: dict[str, Any]) -> list[str]:
    """Return the folders that a pipeline's index names and that are loaded."""
    return [
        name
        for name, entry in index.items()
        if isinstance(entry, list) and len(entry) == 2 and entry[1] and name not in _FILTERS
    ]


def _pickles(path: Path, parts: Iterable[str]) -> list[str]:
    """Return the weights, in these folders of `path`, that are pickles alone."""
    folders = {PurePosixPath(part or ".") for part in parts}
    return [one for one in pickled_weights(path) if PurePosixPath(one).parent in folders]


def _says_pickles(path: Path, pickles: list[str]) -> str:
    return (
        f"{path.name} has weights only as a pickle, {pickles[0]}, which can run any code when it "
        "is read: fetch them as .safetensors. If you trust it, and its backend reads it, write the "
        "card yourself, with `trust: true`."
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


def _sentence_transformers(path: Path, trust: bool) -> Described:
    said = read_json(path / "config_sentence_transformers.json") or {}
    kind = str(said.get("model_type", "SentenceTransformer"))
    if kind != "SentenceTransformer":
        return not_run(
            f"{path.name} is a {kind} of sentence-transformers, which gives scores or sparse "
            "vectors: no backend here runs it."
        )
    modules = _modules(path)
    if code := _own_code(path, modules):
        return not_run(
            f"{path.name} needs Python code of its own ({code}), which is not run for a model that "
            "is imported: if you trust it, write its card yourself, with `trust: true` and "
            "`options.trust_remote_code: true`."
        )
    parts = [str(module.get("path", "")) for module in modules]
    pickles = _pickles(path, parts or [""])
    if pickles and not trust:
        return not_run(_says_pickles(path, pickles))
    return Described(
        "sentence_transformers",
        f"{path.name} is a folder of sentence-transformers (modules.json): sentence_transformers "
        "runs it for embeddings.",
        capabilities=(Capability.EMBEDDING,),
        name=path.name,
        is_trusted=bool(pickles),
    )


def _modules(path: Path) -> list[dict[str, Any]]:
    content = _read(path / "modules.json")
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []


def _own_code(path: Path, modules: Iterable[dict[str, Any]]) -> str:
    """Return what of a model is Python code in its own folder, empty for nothing."""
    types = (str(module.get("type", "")) for module in modules)
    foreign = [one for one in types if one and not one.startswith("sentence_transformers.")]
    classes = (read_json(path / "config.json") or {}).get("auto_map")
    named = [str(one) for one in classes.values()] if isinstance(classes, dict) else []
    return ", ".join((foreign or named)[:3])


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
