"""Removing a model: files that nobody else needs, and where bytes of them stay nonetheless."""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from localai.files import remove_empty_folders
from localai.references import check_relative_path
from localai.store.errors import InUse, UnreadableRecord
from localai.store.hub_cache import take_back
from localai.store.in_use import User, claimed
from localai.store.records import Records, StoredFile, StoredModel

_LOG = logging.getLogger("localai.store")


@dataclass(frozen=True)
class Elsewhere:
    """Bytes of a removed file that stay here: at `path`, None where that is not known."""

    path: Path | None
    size: int


@dataclass(frozen=True)
class Removed:
    """What a removal did: bytes that became free, files that other models need, and what stays."""

    freed: int
    kept: tuple[str, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()


Users = Callable[[Iterable[Path]], list[User]]
"""Tells which processes use one of the files."""


def remove_models(
    records: Records, models: Sequence[StoredModel], users: Users, force: bool
) -> Removed:
    """Forget models, and remove the files that only they need; the lock has to be held.

    Raises InUse where one is in use, unless `force`d, and UnreadableRecord.
    """
    all_models, store = records.all(), records.folder
    references = {model.reference for model in models}
    needed = {
        file.path for one in all_models if one.reference not in references for file in one.files
    }
    own = {file.path: file for model in models for file in model.files}
    gone = [file for path, file in own.items() if path not in needed]
    paths = [store / file.path for file in gone]
    names = ("One of " if len(references) > 1 else "") + ", ".join(sorted(references))
    with nullcontext() if force else unused(names, paths, users):
        for reference in references:
            records.remove(reference)
        removed = remove_files(store, gone, given_to_cache(all_models))
    return replace(removed, kept=tuple(path for path in own if path in needed))


def remove_replaced(records: Records, before: StoredModel, model: StoredModel) -> None:
    """Remove files of the model's former version that nobody needs; the lock has to be held."""
    try:
        models = records.all()
    except UnreadableRecord as error:
        _LOG.warning("Files of the former %s stay: %s", model.reference, error.message)
        return
    needed = {file.path for one in models for file in one.files}
    gone = [file for file in before.files if file.path not in needed]
    remove_files(records.folder, gone, given_to_cache([*models, before]))


def given_to_cache(models: Iterable[StoredModel]) -> set[Path]:
    """Return the blobs that this store gave to Hugging Face's cache."""
    return {Path(file.cached) for model in models for file in model.files if file.cached}


def remove_files(store: Path, files: Iterable[StoredFile], given: Collection[Path]) -> Removed:
    """Remove files of the store; `given` are the blobs that it gave to Hugging Face's cache."""
    # By the content: of two names of one file only the last that goes tells what stays.
    gone = {}
    for file in files:
        if (removed := _remove(store, file, given)) is not None:
            gone[removed.inode] = removed
    return Removed(
        sum(one.size for one in gone.values() if not one.stays),
        elsewhere=tuple(Elsewhere(one.place, one.size) for one in gone.values() if one.stays),
    )


@contextmanager
def unused(
    names: str,
    paths: Sequence[Path],
    users: Users,
) -> Iterator[None]:
    """Keep workers from beginning with `paths` meanwhile; raises InUse when one uses them.

    `names` say what they are files of.
    """
    with claimed(paths) as held:
        found = users(paths)
        if held or found:
            raise _in_use(names, found)
        yield


def _in_use(names: str, users: Sequence[User]) -> InUse:
    named = ", ".join(f"{user.name} ({user.pid})" for user in users[:3])
    who = named or "a process of another user or another container, which has it loaded"
    return InUse(
        f"{names} is in use by {who}: stop it (`localai stop NAME`) and try again, or "
        "remove it all the same with --force.",
        details={"pids": [user.pid for user in users]},
    )


@dataclass(frozen=True)
class _Gone:
    inode: tuple[int, int]
    size: int
    stays: bool
    place: Path | None = None


def _remove(store: Path, file: StoredFile, given: Collection[Path]) -> _Gone | None:
    """Remove a file, and the blob that was given to the cache for it; None where there was none."""
    path = store / check_relative_path(file.path)
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    target = path.resolve() if stat.S_ISLNK(found.st_mode) else None
    if file.cached is not None and take_back(Path(file.cached), path, given):
        found = path.lstat()
    path.unlink()
    remove_empty_folders(path.parent, store)
    inode = (found.st_dev, found.st_ino)
    if target is not None:
        return _Gone(inode, file.size, target.exists(), target)
    return _Gone(inode, found.st_size, found.st_nlink > 1, _other_name(file, inode))


def _other_name(file: StoredFile, inode: tuple[int, int]) -> Path | None:
    """Return where else the file has a name: given to the cache, or linked from there."""
    candidates = [Path(one) for one in (file.cached, file.origin) if one and one.startswith("/")]
    for path in candidates:
        with suppress(OSError):
            found = path.stat()
            if (found.st_dev, found.st_ino) == inode:
                return path
    return None
