"""Backends and card files that the tests of cards share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from localai.protocol.manifest import Manifest

_ECHO = {
    "name": "echo",
    "description": "Answers with the question",
    "capabilities": ["chat", "completion"],
    "entry": "worker:Echo",
    "needs_model": False,
    "options": {
        "delay": {"type": "number", "description": "d", "minimum": 0, "default": 0},
        "words": {"type": "integer", "description": "d", "maximum": 100},
        "mode": {"type": "string", "description": "d", "enum": ["plain", "loud"]},
        "loud": {"type": "boolean", "description": "d", "default": False},
        "tags": {"type": "array", "description": "d", "items": {"type": "string"}},
    },
}
_LLAMA = {
    "name": "llama_cpp",
    "description": "Runs GGUF files",
    "capabilities": ["chat", "completion"],
    "entry": "worker:Llama",
    "options": {
        "n_ctx": {"type": "integer", "description": "d", "minimum": 8, "default": 2048},
        "n_gpu_layers": {"type": "integer", "description": "d", "default": -1},
    },
}
_WRITER = {
    "name": "writer",
    "description": "Completes texts only",
    "capabilities": ["completion"],
    "entry": "worker:Writer",
    "needs_model": False,
}


_SENSES = {
    "name": "senses",
    "description": "Can do what its card says, beside chats",
    "capabilities": [
        "chat", "vision", "hearing", "transcription", "translation", "image", "image_edit",
        "image_variation",
    ],
    "entry": "worker:Senses",
    "needs_model": False,
}  # fmt: skip


def backends() -> dict[str, tuple[Path, Manifest]]:
    """Return four backends: without a model, with one, without chat, for what is not text."""
    manifests = [Manifest.model_validate(data) for data in (_ECHO, _LLAMA, _WRITER, _SENSES)]
    return {manifest.name: (Path("/backends") / manifest.name, manifest) for manifest in manifests}


def write_card(path: Path, text: str, *, age: int = 0) -> Path:
    """Write a card's file as if `age` seconds after all others, so that a rewrite is seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), "utf-8")
    os.utime(path, (1_700_000_000 + age, 1_700_000_000 + age))
    return path


def write_cards(folder: Path, texts: Mapping[str, str]) -> Path:
    """Write several cards by the stems of their files and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, text in texts.items():
        write_card(folder / f"{stem}.yaml", text)
    return folder
