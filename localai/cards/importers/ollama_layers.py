"""What lies beside the weights of a model of Ollama's: all that a Modelfile would say of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from localai.cards.importers.modelfile_parameters import is_parameter
from localai.cards.importers.modelfile_syntax import LARGEST, Command

_LAYER = re.compile(
    r"(template|system|license)(?:-\d+)?|(params|messages)(?:-\d+)?\.json|(adapter|draft)(?:-\d+)?\.gguf"
)
_BLOB = re.compile(r"sha256[-:][0-9a-f]{64}")
_ROLES = ("system", "user", "assistant")


def is_blob_name(name: str) -> bool:
    """Tell whether Ollama calls a file of its models so: by its hash."""
    return _BLOB.fullmatch(name) is not None


def ollama_layers(paths: Iterable[Path]) -> list[Path]:
    """Return those of a model's files that hold a layer of Ollama's beside the weights."""
    return [path for path in paths if _layer(path)]


def layer_commands(layers: Iterable[Path]) -> tuple[list[Command], list[str]]:
    """Return the instructions that say the same as `layers`, and a note on each that none says."""
    commands: list[Command] = []
    notes: list[str] = []
    for path in layers:
        try:
            commands += _commands(path, notes)
        except (OSError, ValueError) as error:
            notes.append(f"{path} is left out, as it cannot be read: {error}.")
    return commands, notes


def _layer(path: Path) -> str | None:
    found = _LAYER.fullmatch(path.name)
    return next((one for one in found.groups() if one), None) if found else None


def _commands(path: Path, notes: list[str]) -> Iterator[Command]:
    """Yield the instructions that say the same as a layer; notes are on what none says."""
    match _layer(path):
        case "template" | "system" as name:
            yield Command(name, _text(path))
        case "adapter" | "draft" as name:
            yield Command(name, path.name)
        case "params":
            yield from _parameters(json.loads(_text(path)), path, notes)
        case "messages":
            yield from _messages(json.loads(_text(path)), path, notes)
        case "license":
            notes.append(f"The model's licence lies in {path}: a card has no place for it.")


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise ValueError("it is larger than 8 MiB")
    return path.read_text("utf-8")


def _parameters(data: Any, path: Path, notes: list[str]) -> Iterator[Command]:
    if not isinstance(data, dict):
        raise ValueError("it holds no parameters")
    for name, value in data.items():
        if not is_parameter(name):
            notes.append(f"The parameter `{name}` ({value!r}) of {path.name} is left out: unknown.")
            continue
        for one in value if isinstance(value, list) else [value]:
            yield Command("parameter", _written(one), name)


def _written(value: Any) -> str:
    """Return a value as a Modelfile has it: 4096 for 4096.0, which is no whole number there."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _messages(data: Any, path: Path, notes: list[str]) -> Iterator[Command]:
    for one in data if isinstance(data, list) else [data]:
        role = one.get("role") if isinstance(one, dict) else None
        text = one.get("content") if isinstance(one, dict) else None
        if role in _ROLES and isinstance(text, str):
            yield Command("message", text, str(role))
        else:
            notes.append(f"A message of {path.name} is left out: it has no role or no text.")
