"""What lies in the store's folders that no model needs, and how much room everything takes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from localai.file_locks import is_locked
from localai.store.errors import StoreError
from localai.store.layout import ROOTS
from localai.store.records import StoredModel
from localai.store.underway import Mark, forget, marks
from localai.store.unpack import WORK

HOUR = 3600.0
WEEK = 7 * 24 * HOUR
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


@dataclass(frozen=True)
class Pruning:
    """What goes: seconds for which nobody has touched it, as unused and as an unfinished download.

    `kept` are absolute paths of files and folders that stay, `dry` only tells.
    """

    older_than: float = HOUR
    unfinished_older_than: float = WEEK
    kept: Collection[Path] = ()
    dry: bool = False


def usage(store: Path, models: Sequence[StoredModel], pulls: Sequence[Mark]) -> Usage:
    """Return how the room in `store` is used, while `pulls` are under way or unfinished."""
    needed = _needed(models)
    models_size = shared = unfinished = unused = 0
    for path, found in _files(store):
        relative = path.relative_to(store).as_posix()
        # Blocks, not the length: an unfinished file has holes.
        size = found.st_blocks * 512
        if relative in needed:
            models_size += size
            shared += size if found.st_nlink > 1 else 0
        elif _is_unfinished(relative, pulls):
            unfinished += size
        else:
            unused += size
    place = next(one for one in (store, *store.parents) if one.exists())
    return Usage(models_size, shared, unfinished, unused, shutil.disk_usage(place).free)


def prune(store: Path, models: Sequence[StoredModel], wanted: Pruning, now: float) -> Pruned:
    """Remove what no model needs and nobody has touched for a while.

    What a process is fetching or has loaded stays. The store's lock has to be held.
    """
    needed, pulls = _needed(models), marks(store)
    removed, freed = [], 0
    for path, found in _files(store):
        relative = path.relative_to(store).as_posix()
        if relative in needed or _is_kept(path, wanted.kept) or _is_used(path, relative, pulls):
            continue
        if now - _touched(found.st_mtime, relative, pulls) < _age(relative, pulls, wanted):
            continue
        if not wanted.dry:
            _remove(path)
        freed += found.st_blocks * 512 if found.st_nlink == 1 else 0
        removed.append(relative)
    if not wanted.dry:
        _forget(pulls, wanted, now)
        _remove_empty_folders(store, pulls)
    return Pruned(tuple(removed), freed)


def _needed(models: Sequence[StoredModel]) -> set[str]:
    return {file.path for model in models for file in model.files}


def _files(store: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files of the folders that are the store's own; links are not followed.

    Pulls and removals go on meanwhile: what they have taken away is passed over.
    """
    for root in ROOTS:
        for folder, _, files in os.walk(store / root):
            for path in (Path(folder) / name for name in sorted(files)):
                with suppress(FileNotFoundError):
                    yield path, path.lstat()


def _is_kept(path: Path, kept: Collection[Path]) -> bool:
    return path in kept or any(folder in kept for folder in path.parents)


def _is_used(path: Path, relative: str, pulls: Iterable[Mark]) -> bool:
    """Tell whether a process is fetching the file, or its folder, or has loaded it."""
    if any(mark.runs and _is_below(relative, mark.folder) for mark in pulls):
        return True
    for end in _PART_ENDS:
        if path.name.endswith(end):
            return is_locked(path.with_name(path.name.removesuffix(end) + ".part"))
    return is_locked(path)


def _is_unfinished(relative: str, pulls: Iterable[Mark]) -> bool:
    part = relative.endswith(_PART_ENDS)
    return part or any(_is_below(relative, mark.folder) for mark in pulls)


def _touched(modified: float, relative: str, pulls: Iterable[Mark]) -> float:
    """Return when the file, or the pull that it came with, was last seen to change."""
    return max([modified, *(mark.last for mark in pulls if _is_below(relative, mark.folder))])


def _age(relative: str, pulls: Iterable[Mark], wanted: Pruning) -> float:
    leftover = any(part.startswith(WORK) for part in relative.split("/"))
    unfinished = _is_unfinished(relative, pulls) and not leftover
    return wanted.unfinished_older_than if unfinished else wanted.older_than


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be removed: {error.strerror}. Give yourself the right to, or remove "
            "it as the user that it belongs to."
        ) from error


def _forget(pulls: Iterable[Mark], wanted: Pruning, now: float) -> None:
    for mark in pulls:
        if not mark.runs and now - mark.last >= wanted.unfinished_older_than:
            forget(mark.path)


def _remove_empty_folders(store: Path, pulls: Sequence[Mark]) -> None:
    for root in ROOTS:
        for folder, _, _ in os.walk(store / root, topdown=False):
            relative = f"{Path(folder).relative_to(store).as_posix()}/"
            # A pull has made it, and will write into it.
            if any(mark.runs and f"{mark.folder}/".startswith(relative) for mark in pulls):
                continue
            running = any(mark.runs and _is_below(relative, mark.folder) for mark in pulls)
            if not running:
                with suppress(OSError):  # it is not empty, or gone; and empty it takes no room
                    Path(folder).rmdir()
