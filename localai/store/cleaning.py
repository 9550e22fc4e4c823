"""What lies in the store's folder that no model needs, and how much room everything takes."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localai.store.records import StoredModel

_OWN = ("records", ".lock")
_PART_ENDS = (".part", ".part.json", ".part.json.new")


@dataclass(frozen=True)
class Usage:
    """Room in bytes; `shared` is counted once in `models`, and also lies in other programs' stores.

    `unfinished` are downloads that go on when their pull is repeated, `unused` what no model needs.
    """

    models: int
    shared: int
    unfinished: int
    unused: int
    free: int


@dataclass(frozen=True)
class Pruned:
    """What was removed, from the store's folder, and how many bytes became free."""

    paths: tuple[str, ...]
    freed: int


def usage(store: Path, models: Sequence[StoredModel]) -> Usage:
    """Return how the room in `store` is used."""
    needed = _needed(models)
    models_size = shared = unfinished = unused = 0
    for path in _files(store):
        found = path.lstat()
        # Blocks, not the length: an unfinished file has holes.
        size = found.st_blocks * 512
        if path.relative_to(store).as_posix() in needed:
            models_size += size
            shared += size if found.st_nlink > 1 else 0
        elif path.name.endswith(_PART_ENDS):
            unfinished += size
        else:
            unused += size
    place = next(one for one in (store, *store.parents) if one.exists())
    return Usage(models_size, shared, unfinished, unused, shutil.disk_usage(place).free)


def prune(store: Path, models: Sequence[StoredModel], older_than: float, now: float) -> Pruned:
    """Remove what no model needs and nobody has touched for `older_than` seconds.

    What another process is fetching right now stays.
    """
    needed, removed, freed = _needed(models), [], 0
    for path in _files(store):
        relative = path.relative_to(store).as_posix()
        found = path.lstat()
        if relative in needed or now - found.st_mtime < older_than or _is_fetched(path):
            continue
        path.unlink()
        freed += found.st_blocks * 512 if found.st_nlink == 1 else 0
        removed.append(relative)
    for folder in sorted((one for one in store.rglob("*") if one.is_dir()), reverse=True):
        if folder.name != "records" and not any(folder.iterdir()):
            folder.rmdir()
    return Pruned(tuple(removed), freed)


def _needed(models: Sequence[StoredModel]) -> set[str]:
    return {file.path for model in models for file in model.files}


def _files(store: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(store):
        if Path(folder) == store:
            names[:] = [name for name in names if name not in _OWN]
            files = [name for name in files if name not in _OWN]
        yield from (Path(folder) / name for name in sorted(files))


def _is_fetched(path: Path) -> bool:
    """Tell whether a process holds the lock of the unfinished file that `path` belongs to."""
    for end in _PART_ENDS:
        if path.name.endswith(end):
            part = path.with_name(path.name.removesuffix(end) + ".part")
            return part.exists() and _is_locked(part)
    return False


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
