"""A temporary folder of this process alone, removed at its end and after a kill by the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TextIO

_LOCK = "in-use"


class PrivateFolder:
    """A folder below `parent`, made at the first use; `kind` begins its name."""

    def __init__(self, parent: Path, kind: str) -> None:
        self._parent = parent
        self._kind = kind
        self._own: tuple[Path, TextIO] | None = None
        _sweep(parent, kind)

    @property
    def path(self) -> Path:
        """The folder, readable by its owner alone."""
        if self._own is None:
            name = f"{self._kind}-{os.getpid()}-"
            folder = Path(tempfile.mkdtemp(prefix=name, dir=self._parent))
            self._own = folder, _lock(folder)
        return self._own[0]

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        if self._own is not None:
            folder, lock = self._own
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()
            self._own = None


def _lock(folder: Path) -> TextIO:
    """Mark `folder` as in use for as long as this process lives, however it ends."""
    lock = (folder / _LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _sweep(parent: Path, kind: str) -> None:
    """Remove the folders of processes that were killed and could not do it themselves.

    A lock tells, not a process id: containers that share the folder do not share their ids.
    """
    for path in parent.glob(f"{kind}-*/{_LOCK}"):
        with suppress(OSError), path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
