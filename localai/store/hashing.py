"""The hashes of a file that is there."""

from __future__ import annotations

import hashlib
from pathlib import Path

from localai.network.leaving import Cancel
from localai.store.errors import Cancelled
from localai.store.progress import Progress, Report, ignore

_BLOCK = 8 << 20


def sha256_of(
    path: Path,
    report: Report = ignore,
    cancel: Cancel | None = None,
    name: str | None = None,
) -> str:
    """Return the sha256 of the file at `path`, in hex; raises Cancelled when `cancel` is set."""
    digest, total = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if cancel is not None and cancel.is_set():
                raise Cancelled(f"Checking {path.name} was cancelled.")
            digest.update(block)
            report(Progress(name or path.name, "checking", file.tell(), total))
    return digest.hexdigest()


def git_oid(path: Path) -> str:
    """Return the hash under which git keeps the content of `path`."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
