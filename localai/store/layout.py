"""What of the store's folder is the store's: everything else in it belongs to somebody else."""

from __future__ import annotations

ROOTS = ("hf", "ollama", "oci", "url", "imported")
"""The folders with models, by where they came from; nothing is written or removed elsewhere."""

RECORDS = "records"
UNDERWAY = "underway"
LOCK = ".lock"


def is_below_roots(path: str) -> bool:
    """Tell whether a path, relative to the store, is one that a model's file may have."""
    first, _, rest = path.partition("/")
    return first in ROOTS and bool(rest)
