"""Which processes use a file: as Linux tells it under /proc, and as their locks tell.

A worker holds a lock on the files of its model as long as it lives, because many engines close them
once they are read. Locks are seen across users and across containers on one volume, names are not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from localai.file_locks import open_locked

_PROC = Path("/proc")


@dataclass(frozen=True)
class User:
    """A process that has one of the files open."""

    pid: int
    name: str


def users_of(paths: Iterable[Path], proc: Path = _PROC) -> list[User]:
    """Return the other processes that have one of `paths` open or mapped.

    Processes of other users are not seen without privileges; where there is no /proc, none are.
    """
    wanted = {(found.st_dev, found.st_ino) for found in map(_stat, paths) if found is not None}
    if not wanted or not proc.is_dir():
        return []
    own = os.getpid()
    pids = sorted(int(one.name) for one in proc.iterdir() if one.name.isdigit())
    return [
        User(pid, _name(proc / str(pid)))
        for pid in pids
        if pid != own and _uses(proc / str(pid), wanted)
    ]


@contextmanager
def claimed(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Keep workers from beginning with `paths` meanwhile; gives those that one already holds."""
    held, seen = [], set[tuple[int, int]]()
    with ExitStack() as stack:
        for path in paths:
            if (found := _stat(path)) is None or (found.st_dev, found.st_ino) in seen:
                continue  # two names of one file would be in each other's way
            seen.add((found.st_dev, found.st_ino))
            try:
                descriptor = open_locked(path)
            except OSError:
                continue  # neither a worker of this user nor its removal needs it readable
            if descriptor is None:
                held.append(path)
            else:
                stack.callback(os.close, descriptor)
        yield held


def _uses(process: Path, wanted: set[tuple[int, int]]) -> bool:
    return any(inode in wanted for inode in (*_opened(process), *_mapped(process)))


def _opened(process: Path) -> Iterator[tuple[int, int]]:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return
    for one in descriptors:
        if (found := _stat(one)) is not None:
            yield found.st_dev, found.st_ino


def _mapped(process: Path) -> Iterator[tuple[int, int]]:
    """Yield what `maps` lists: range, rights, offset, device as hex, inode, path."""
    try:
        lines = (process / "maps").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        parts = line.split(maxsplit=5)
        if len(parts) == 6 and parts[4] != "0":
            major, _, minor = parts[3].partition(":")
            yield os.makedev(int(major, 16), int(minor, 16)), int(parts[4])


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "?"
