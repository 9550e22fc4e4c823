"""LocalAI's model YAML in the place of a card: what tells it, and what makes a card of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localai.cards.importers.imported import CannotImport
from localai.cards.importers.yaml_documents import read_documents
from localai.cards.problems import Problem

_ITS_KEYS = frozenset({
    "alias", "config_file", "context_size", "cuda", "diffusers", "download_files", "embeddings",
    "f16", "feature_flags", "function", "gpu_layers", "known_usecases", "mmproj", "parameters",
    "pipeline", "roles", "stopwords", "template", "threads", "tts",
})  # fmt: skip
_KEYS_OF_CARDS = frozenset({"model", "defaults", "keep_alive"})
"""Those that LocalAI has not: who writes them means a card, with a mistake in it."""


def models_of_localai(path: Path) -> list[Mapping[str, Any]]:
    """Return what a YAML written for LocalAI says of its models; nothing for any other file."""
    try:
        documents = read_documents(path)
    except CannotImport:
        return []
    entries = [
        one
        for document in documents
        for one in (document if isinstance(document, list) else [document])
    ]
    return entries if entries and all(map(_is_localais, entries)) else []


def _is_localais(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    return not _ITS_KEYS.isdisjoint(entry) and _KEYS_OF_CARDS.isdisjoint(entry)


def no_card(path: Path, models: Sequence[Mapping[str, Any]]) -> Problem:
    """Return the problem that a file holds `models` for LocalAI, and no card."""
    file, folder = shlex.quote(str(path)), shlex.quote(str(path.parent))
    if len(models) > 1:
        text = f"holds {len(models)} models as LocalAI's YAML, and no card"
        return Problem(path, None, text, f"localai card import {file} --output {folder}")
    if target := models[0].get("alias"):
        text = f"is an alias as LocalAI's YAML, and no card: write it into the card of '{target}'"
        return Problem(path, None, f"{text}, as `aliases: [...]`, and remove this file")
    text = "is LocalAI's model YAML, and no card"
    return Problem(path, None, text, f"localai card import {file} --output {file} --force")


def names_of(models: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what the models are called."""
    return tuple(str(one["name"]) for one in models if one.get("name"))
