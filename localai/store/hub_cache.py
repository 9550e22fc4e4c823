"""Hugging Face's cache on this machine, in its own layout, so that all programs share it.

`models--org--repo/` holds `blobs/<hash>`, `snapshots/<commit>/<path>` as links to them, and
`refs/<revision>` with a commit.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from localai.cards.shards import shards_of
from localai.file_kinds import is_weights
from localai.files import remove_empty_folders, replace_text
from localai.references import HubReference

_TRUE = frozenset({"1", "on", "yes", "true"})
_INDEX = ".index.json"
_LARGEST_INDEX = 64 << 20


def cache_folder() -> Path:
    """Return the cache's folder as the variables of `huggingface_hub` tell it."""
    if given := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(os.path.expandvars(given)).expanduser()
    home = os.environ.get("HF_HOME")
    if home is None:
        home = f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return Path(os.path.expandvars(home)).expanduser() / "hub"


def is_offline() -> bool:
    """Tell whether the hub must not be asked."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.lower() in _TRUE


def repo_folder(repo: str) -> Path:
    """Return where the cache keeps a repository."""
    return cache_folder() / f"models--{repo.replace('/', '--')}"


def cached_commit(reference: HubReference) -> str | None:
    """Return the commit that the revision had when it was last seen here."""
    folder = repo_folder(reference.repo)
    if (folder / "snapshots" / reference.revision).is_dir():
        return reference.revision
    try:
        commit = (folder / "refs" / reference.revision).read_text("utf-8").strip()
    except OSError:
        return None
    return commit if commit and (folder / "snapshots" / commit).is_dir() else None


def cached_files(repo: str, commit: str) -> dict[str, Path]:
    """Return the files of a commit that are here, by their paths in the repository."""
    snapshot = repo_folder(repo) / "snapshots" / commit
    found = (path for path in snapshot.rglob("*") if path.is_file())
    return {path.relative_to(snapshot).as_posix(): path for path in sorted(found)}


def cached_file(repo: str, commit: str, path: str, hash_: str | None) -> Path | None:
    """Return the file if it is here, at this commit or as the same content at another one."""
    candidates = [repo_folder(repo) / "snapshots" / commit / path]
    if hash_ is not None:
        candidates.append(repo_folder(repo) / "blobs" / hash_)
    return next((one for one in candidates if one.is_file()), None)


def missing_parts(paths: Collection[str], files: Mapping[str, Path]) -> list[str]:
    """Return what is missing of `paths`, whose contents are `files`, that they speak of.

    Those are the parts of weights that an index lists, or that the name of another part counts.
    """
    wanted = {part for path in paths for part in (*shards_of(path), *_listed(path, paths, files))}
    return sorted(wanted - set(paths))


def add_to_cache(
    file: Path, repo: str, revision: str, commit: str, path: str, hash_: str
) -> Path | None:
    """Give `file` to the cache without copying it; return its new blob, None where one was there.

    Raises OSError when the cache cannot be written or lies on another disk; it stays as it was.
    """
    folder = repo_folder(repo)
    blob = folder / "blobs" / hash_
    _check_disk(file, folder)
    try:
        blob.parent.mkdir(parents=True, exist_ok=True)
        # One of another size than its content has is damaged, and of use to nobody.
        is_new = not blob.exists() or blob.stat().st_size != file.stat().st_size
        if is_new:
            blob.unlink(missing_ok=True)
            os.link(file, blob)
    except OSError:
        remove_empty_folders(blob.parent, cache_folder())
        raise
    link = folder / "snapshots" / commit / path
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() and not link.exists():
        link.symlink_to(os.path.relpath(blob, link.parent))
    if revision != commit:
        _write_ref(folder / "refs" / revision, commit)
    return blob if is_new else None


def take_back(blob: Path, file: Path, ours: Collection[Path]) -> bool:
    """Remove a blob that we gave to the cache as `file`; returns whether it is gone.

    It stays where another program has put anything beside it, as that one may read it too: a file
    of its own (`ours` are the blobs that we gave), another commit, or one more name of the content.
    """
    try:
        if not os.path.samefile(blob, file) or blob.stat().st_nlink > 2:
            return False
        folder = blob.parent.parent
        links = [one for one in (folder / "snapshots").rglob("*") if not one.is_dir()]
        foreign = [one for one in (*blob.parent.iterdir(), *map(_target, links)) if one not in ours]
        mine = [one for one in links if _target(one) == blob]
        fetched = folder.parent / ".locks" / folder.name
        if foreign or len(mine) != 1 or fetched.exists() or (folder / ".no_exist").exists():
            return False
        mine[0].unlink()
        blob.unlink()
    except OSError:  # the cache has gone, or is another user's
        return not blob.exists()
    remove_empty_folders(mine[0].parent, folder)
    remove_empty_folders(blob.parent, folder)
    _remove_refs(folder)
    return True


def is_in_cache(path: Path) -> bool:
    """Tell whether `path` lies in the cache."""
    return cache_folder().absolute() in path.absolute().parents


def _listed(path: str, paths: Collection[str], files: Mapping[str, Path]) -> Iterable[str]:
    """Return the parts that an index lists, unless the weights are there in another form."""
    if not path.endswith(_INDEX) or files[path].stat().st_size > _LARGEST_INDEX:
        return ()
    try:
        names = set(json.loads(files[path].read_text("utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()  # an index of something else, as of a dataset
    folder = PurePosixPath(path).parent
    parts = {(folder / str(name)).as_posix() for name in names}
    weights = {one for one in paths if PurePosixPath(one).parent == folder and is_weights(one)}
    return parts if not weights or weights & parts else ()


def _check_disk(file: Path, folder: Path) -> None:
    """Raise OSError where no hard link can lead from `folder` to `file`; nothing is made for it."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if there.stat().st_dev != file.stat().st_dev:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(folder))


def _target(link: Path) -> Path:
    """Return the blob that a snapshot's link names; itself for a file."""
    return Path(os.path.normpath(link.parent / link.readlink())) if link.is_symlink() else link


def _remove_refs(folder: Path) -> None:
    """Remove a repository's names of commits of which nothing is here, and it if that was all."""
    for ref in [one for one in (folder / "refs").rglob("*") if one.is_file()]:
        with suppress(OSError):
            if not (folder / "snapshots" / ref.read_text("utf-8").strip()).is_dir():
                ref.unlink()
                remove_empty_folders(ref.parent, folder)
    with suppress(OSError):  # anything of somebody else keeps it
        folder.rmdir()


def _write_ref(path: Path, commit: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, commit)
