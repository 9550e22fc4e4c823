"""A gallery's YAML: up to a thousand times as large as a card, and it may be a list."""

from __future__ import annotations

from pathlib import Path

import yaml

from localai.cards import yaml_source
from localai.cards.yaml_source import Form, YamlSource

MAX_BYTES = 32 << 20
MAX_VALUES = 2_000_000
GALLERY = Form(
    what="gallery",
    empty="is empty",
    second="holds a second document: write one in each file",
    most_bytes=MAX_BYTES,
    most_values=MAX_VALUES,
    loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),
)


def read_text(text: str, path: Path) -> YamlSource:
    """Read one document; whatever is wrong with it ends up in `problems`, `path` names it there."""
    return yaml_source.read_text(text, path, GALLERY)


def read_file(path: Path) -> YamlSource:
    """Read one document from a file; whatever is wrong ends up in `problems`."""
    return yaml_source.read_file(path, GALLERY)
