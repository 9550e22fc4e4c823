"""The hash of a file that is there."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from localai.store.errors import Cancelled
from localai.store.progress import Progress, Report, ignore

_BLOCK = 8 << 20


def sha256_of(
    path: Path,
    report: Report = ignore,
    cancel: threading.Event | None = None,
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
