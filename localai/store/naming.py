"""What a pulled model is called where nobody says: after what a person reads in its reference."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from localai.cards.shards import without_number
from localai.files import place_of
from localai.references import (
    DEFAULT_TAG,
    FileReference,
    HubReference,
    NameReference,
    OciReference,
    OllamaReference,
    PackageReference,
    Reference,
    UrlReference,
)
from localai.store.transports.url import file_name, without_login

_KIND = re.compile(r"[-_.]?gguf$|\.(gguf|safetensors|onnx|bin|tar|tar\.gz|tgz)$", re.IGNORECASE)
"""No other ends: cards that are there have the names that these gave them."""


def suggested_name(reference: Reference) -> str:
    """Return a name that a card may have, as `qwen3-4b` or `llama3.2:1b`."""
    match reference:
        case HubReference():
            stem = reference.file or reference.repo
            return _name(stem, reference.quant)
        case OllamaReference():
            return _name(reference.model, _tag(reference.tag))
        case OciReference():
            return _name(reference.repository, _tag(reference.tag))
        case UrlReference():
            return _name(file_name(without_login(reference.url)[0]), None)
        case FileReference():
            return _name(place_of(reference.path).name, None)
        case PackageReference():
            return _name(reference.path or reference.module, None)
        case NameReference():
            return _name(reference.name, None)


def _tag(tag: str) -> str | None:
    return None if tag == DEFAULT_TAG else tag


def _name(path: str, suffix: str | None) -> str:
    stem = _KIND.sub("", without_number(PurePosixPath(path).name)) or "model"
    plain = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._") or "model"
    return f"{plain}:{suffix.lower()}" if suffix else plain
