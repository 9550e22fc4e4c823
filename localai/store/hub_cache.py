"""Hugging Face's cache on this machine, in its own layout, so that all programs share it.

`models--org--repo/` holds `blobs/<hash>`, `snapshots/<commit>/<path>` as links to them, and
`refs/<revision>` with a commit.
"""

from __future__ import annotations

import os
from pathlib import Path

from localai.store.references import HubReference

_TRUE = frozenset({"1", "on", "yes", "true"})


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


def add_to_cache(file: Path, repo: str, revision: str, commit: str, path: str, hash_: str) -> Path:
    """Give `file` to the cache without copying it, and return its blob there.

    Raises OSError when the cache cannot be written or lies on another disk.
    """
    folder = repo_folder(repo)
    blob = folder / "blobs" / hash_
    blob.parent.mkdir(parents=True, exist_ok=True)
    if not blob.exists():
        os.link(file, blob)
    link = folder / "snapshots" / commit / path
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() and not link.exists():
        link.symlink_to(os.path.relpath(blob, link.parent))
    if revision != commit:
        _write_ref(folder / "refs" / revision, commit)
    return blob


def remove_from_cache(blob: Path) -> None:
    """Remove a blob and the links to it."""
    for link in blob.parent.parent.glob("snapshots/*/**/*"):
        if link.is_symlink() and link.resolve() == blob.resolve():
            link.unlink(missing_ok=True)
    blob.unlink(missing_ok=True)


def _write_ref(path: Path, commit: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(commit, "utf-8")
    os.replace(fresh, path)
