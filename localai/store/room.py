"""Room on the disk: what cannot fit is refused before its first byte."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from localai.amounts import shown_bytes
from localai.store.errors import DiskFull

IN_THE_STORE = "make room (`localai rm`, `localai prune`), or set LOCALAI_STORE to another disk"
"""What to do where the store is full."""


def is_full(error: OSError) -> bool:
    """Tell whether a disk is full, or what this user may take of it."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def check_room(folder: Path, needed: int, advice: str = IN_THE_STORE) -> None:
    """Raise DiskFull when `needed` bytes do not fit on the disk of `folder`."""
    if needed > shutil.disk_usage(folder).free:
        raise no_room(folder, needed, advice)


def no_room(folder: Path, needed: int, advice: str = IN_THE_STORE) -> DiskFull:
    """Return the error that says how much is missing."""
    free = shutil.disk_usage(folder).free
    return DiskFull(
        f"{folder} has {shown_bytes(free)} free, but {shown_bytes(needed)} are needed: {advice}.",
        details={"needed": needed, "free": free},
    )
