"""Looks at a model's files before they are loaded, to say exactly what is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.errors import LoadFailed

INDEX = "model_index.json"
_PICKLES = ("*.bin", "*.ckpt", "*.pt", "*.pth")
_WITHOUT_WEIGHTS = ("Tokenizer", "Scheduler", "Processor", "FeatureExtractor", "TokenizerFast")
_LEFT_OUT = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
"""Parts that only a filter of the answer, or nobody here, would need."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder in diffusers' format: which pipeline it is for, and which weights it has."""

    pipeline: str
    variant: str | None
    """`fp16` where the weights exist only under that name."""


def read_folder(path: Path) -> ModelFolder:
    """Return what is in a folder.

    Raises LoadFailed for what is no such folder, for parts that are missing, and for weights that
    are there only as pickles, which can run any code when they are read.
    """
    index = _read_index(path)
    parts = {
        name: str(entry[1])
        for name, entry in index.items()
        if isinstance(entry, list) and len(entry) == 2 and entry[1] and name not in _LEFT_OUT
    }
    variants = {_check_part(path, name, kind) for name, kind in parts.items()} - {""}
    return ModelFolder(str(index["_class_name"]), "fp16" if "fp16" in variants else None)


def _read_index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads((path / INDEX).read_text("utf-8"))
    except FileNotFoundError:
        raise LoadFailed(
            f"{path} has no {INDEX}: give the folder of a model in diffusers' format, or a single "
            ".safetensors file."
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise LoadFailed(f"{path / INDEX} cannot be read: {error}.") from None
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise LoadFailed(f"{path / INDEX} names no pipeline in `_class_name`.")
    return index


def _check_part(path: Path, name: str, kind: str) -> str:
    """Return the variant of a part's weights, empty for none."""
    folder = path / name
    if not folder.is_dir():
        raise LoadFailed(f"{path} has no folder '{name}' ({kind}), which its {INDEX} names.")
    if kind.endswith(_WITHOUT_WEIGHTS):
        return ""
    weights = [file.name for file in folder.glob("*.safetensors")]
    if not weights:
        pickles = [file.name for pattern in _PICKLES for file in folder.glob(pattern)]
        raise LoadFailed(_no_weights(folder, pickles))
    return "fp16" if all(".fp16" in weight for weight in weights) else ""


def _no_weights(folder: Path, pickles: list[str]) -> str:
    if not pickles:
        return f"{folder} has no weights (*.safetensors)."
    return (
        f"{folder} has its weights only as {pickles[0]}, a pickle, which can run any code when it "
        "is read: convert it to .safetensors."
    )
