"""Pulls under way: their folders are left alone while files of theirs belong to no model yet.

A pull leaves a mark in the store, which names its folder, and holds a lock on that, which ends with
its process. The mark of one that did not end well stays, and so does for a while what it has
fetched: it can go on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from localai.file_locks import is_locked, wait_for_lock
from localai.store.layout import UNDERWAY

Lock = Callable[[], AbstractContextManager[None]]
"""What keeps others from changing the store: a mark is neither made nor removed without it."""


@dataclass(frozen=True)
class Mark:
    """A pull into `folder` (from the store's): whether it runs, and when it was last seen to."""

    path: Path
    folder: str
    runs: bool
    last: float


@contextmanager
def marked(store: Path, folder: str, lock: Lock) -> Iterator[None]:
    """Mark that files come into `folder` (from the store's); several may at the same time."""
    path = store / UNDERWAY / hashlib.sha256(folder.encode()).hexdigest()[:16]
    with lock():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.pwrite(descriptor, folder.encode(), 0)
        # Nobody holds it alone for longer than a look takes.
        wait_for_lock(descriptor, shared=True)
    finished = False
    try:
        yield
        finished = True
    finally:
        with lock():
            os.close(descriptor)
            _end(path, finished or not _holds_files(store / folder))


def _end(path: Path, done: bool) -> None:
    """Remove a mark that nobody else needs, or say in it when the pull was last tried."""
    if is_locked(path):
        return
    if not done:
        os.utime(path)
        return
    forget(path)


def _holds_files(folder: Path) -> bool:
    return any(path.is_file() for path in folder.rglob("*"))


def forget(mark: Path) -> None:
    """Remove a mark; the store's lock has to be held."""
    mark.unlink(missing_ok=True)
    with suppress(OSError):  # other pulls have theirs there
        mark.parent.rmdir()


def marks(store: Path) -> list[Mark]:
    """Return all marks; the store's lock has to be held."""
    found = []
    for path in sorted((store / UNDERWAY).glob("*")):
        with suppress(FileNotFoundError):
            folder = path.read_text("utf-8", "replace")
            found.append(Mark(path, folder, is_locked(path), path.stat().st_mtime))
    return found
