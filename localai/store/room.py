"""Room on the disk: what cannot fit is refused before its first byte."""

from __future__ import annotations

import shutil
from pathlib import Path

from localai.amounts import shown_bytes
from localai.store.errors import DiskFull


def check_room(folder: Path, needed: int) -> None:
    """Raise DiskFull when `needed` bytes do not fit on the disk of `folder`."""
    if needed > shutil.disk_usage(folder).free:
        raise no_room(folder, needed)


def no_room(folder: Path, needed: int) -> DiskFull:
    """Return the error that says how much is missing."""
    free = shutil.disk_usage(folder).free
    return DiskFull(
        f"{folder} has {shown_bytes(free)} free, but {shown_bytes(needed)} are needed: "
        "make room (`localai rm`, `localai prune`), or set LOCALAI_STORE to another disk.",
        details={"needed": needed, "free": free},
    )
