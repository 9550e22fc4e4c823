"""A temporary folder of this process alone, removed at its end and after a kill by the next one."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from localai.file_locks import open_locked, wait_for_lock

_LOCK = "in-use"


class PrivateFolder:
    """A folder below `parent`, made at the first use; `kind` begins its name."""

    def __init__(self, parent: Path, kind: str) -> None:
        self._parent = parent
        self._kind = kind
        self._own: tuple[Path, list[int]] | None = None
        _sweep(parent, kind)

    @property
    def path(self) -> Path:
        """The folder, readable by its owner alone; made anew where somebody has removed it."""
        while self._own is None or not self._own[0].is_dir():
            self.close()
            name = f"{self._kind}-{os.getpid()}-"
            folder = Path(tempfile.mkdtemp(prefix=name, dir=self._parent))
            self._own = folder, _lock(folder)
        return self._own[0]

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        if self._own is not None:
            folder, locks = self._own
            shutil.rmtree(folder, ignore_errors=True)
            for lock in locks:
                os.close(lock)
            self._own = None


def _lock(folder: Path) -> list[int]:
    """Mark `folder` as in use for as long as this process lives, however it ends.

    Cleaners of the temp folder, as systemd-tmpfiles, pass over a folder that is itself locked.
    """
    marker = os.open(folder / _LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
    locks = [marker, os.open(folder, os.O_RDONLY)]
    for lock in locks:
        wait_for_lock(lock)
    return locks


def _sweep(parent: Path, kind: str) -> None:
    """Remove the folders of processes that were killed and could not do it themselves.

    A lock tells, not a process id: containers that share the folder do not share their ids. Where
    there are no locks nobody can tell, and all of them stay.
    """
    for path in parent.glob(f"{kind}-*/{_LOCK}"):
        with suppress(OSError):
            lock = open_locked(path, strict=True)
            if lock is not None:
                shutil.rmtree(path.parent, ignore_errors=True)
                os.close(lock)
