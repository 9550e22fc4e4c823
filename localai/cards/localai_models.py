"""LocalAI's model YAML in the place of a card: what tells it, and what makes a card of it."""

from __future__ import annotations

import shlex
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from localai.cards.importers.imported import CannotImport
from localai.cards.importers.localai_backends import our_backend
from localai.cards.importers.yaml_documents import read_documents
from localai.cards.problems import Problem
from localai.cards.schema import Card

_ITS_KEYS = frozenset({
    "alias", "config_file", "context_size", "cuda", "diffusers", "download_files", "embeddings",
    "f16", "feature_flags", "function", "gpu_layers", "known_usecases", "mmproj", "parameters",
    "pipeline", "roles", "stopwords", "template", "threads", "tts",
})  # fmt: skip
_KEYS_OF_BOTH = frozenset({"name", "description", "backend", "options"})
_KEYS_OF_CARDS = Card.model_fields.keys() - _KEYS_OF_BOTH
"""Those that LocalAI has not: who writes them means a card, with a mistake in it."""


def models_of_localai(path: Path, ours: Container[str] = ()) -> list[Mapping[str, Any]]:
    """Return what a YAML written for LocalAI says of its models; nothing for any other file.

    `ours` are the backends that are here: who names one of them means a card.
    """
    try:
        documents = read_documents(path)
    except CannotImport:
        return []
    entries = [
        one
        for document in documents
        for one in (document if isinstance(document, list) else [document])
    ]
    return entries if entries and all(_is_localais(one, ours) for one in entries) else []


def _is_localais(entry: Any, ours: Container[str]) -> bool:
    """Tell whether an entry names a model, and what runs it, as LocalAI has it."""
    if not isinstance(entry, dict) or not entry.get("name") or _means_a_card(entry):
        return False
    if entry.get("alias") or _named_model(entry):
        return not _is_run_by_ours(entry, ours) or _is_of_both(entry)
    has_backend = bool(entry.get("backend")) and not _is_run_by_ours(entry, ours)
    return has_backend and not _ITS_KEYS.isdisjoint(entry)


def _means_a_card(entry: Mapping[str, Any]) -> bool:
    return not _KEYS_OF_CARDS.isdisjoint(entry) or isinstance(entry.get("options"), dict)


def _named_model(entry: Mapping[str, Any]) -> bool:
    parameters = entry.get("parameters")
    return isinstance(parameters, dict) and bool(parameters.get("model"))


def _is_run_by_ours(entry: Mapping[str, Any], ours: Container[str]) -> bool:
    return str(entry.get("backend")) in ours


def _is_of_both(entry: Mapping[str, Any]) -> bool:
    """Tell whether the backend has the same name in LocalAI, as `piper`."""
    name = str(entry["backend"])
    return our_backend(name, embeds=False) == name


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
