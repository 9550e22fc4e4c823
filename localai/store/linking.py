"""Bytes that are on this machine already, for other programs or models: linked, not fetched."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from localai.network.leaving import Cancel
from localai.references import HubReference, local_path
from localai.store.artifact import Artifact, RemoteFile
from localai.store.hashing import git_oid, sha256_of
from localai.store.hub_cache import cached_file
from localai.store.progress import Report
from localai.store.records import StoredModel

_OLLAMA_PLACES = ("~/.ollama/models", "/usr/share/ollama/.ollama/models")


def copies(
    artifact: Artifact, file: RemoteFile, store: Path, models: Sequence[StoredModel]
) -> Iterator[Path]:
    """Yield where the file's content may already be, by its size and its name for the content."""
    for path in _places(artifact, file, store, models):
        if path.is_file() and (file.size is None or path.stat().st_size == file.size):
            yield path


def is_the_file(path: Path, file: RemoteFile, report: Report, cancel: Cancel | None) -> str | None:
    """Return the sha256 of `path` if its content is that of `file`, else None."""
    if file.sha256 is None and file.git_oid is not None and git_oid(path) != file.git_oid:
        return None
    found = sha256_of(path, report, cancel, file.path)
    return found if file.sha256 in {None, found} else None


def link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`: by a hard link, else by a symbolic one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.link")
    source = source.resolve()
    try:
        os.link(source, fresh)
    except OSError:  # another disk, or a file of another user
        fresh.symlink_to(source)
    try:
        os.replace(fresh, target)
    finally:  # replacing one name of a file by another of the same file leaves both
        fresh.unlink(missing_ok=True)


def ollama_folders() -> list[Path]:
    """Return where Ollama may keep its models on this machine."""
    given = os.environ.get("OLLAMA_MODELS")
    places = [given] if given else []
    return [Path(place).expanduser() for place in (*places, *_OLLAMA_PLACES)]


def _places(
    artifact: Artifact, file: RemoteFile, store: Path, models: Sequence[StoredModel]
) -> Iterator[Path]:
    if (here := local_path(file.url)) is not None:
        yield here
    reference = artifact.reference
    if isinstance(reference, HubReference):
        content = file.sha256 or file.git_oid
        found = cached_file(reference.repo, artifact.revision, file.path, content)
        if found is not None:
            yield found
    if file.sha256 is None:
        return
    for model in models:
        yield from (store / one.path for one in model.files if one.sha256 == file.sha256)
    for folder in ollama_folders():
        yield folder / "blobs" / f"sha256-{file.sha256}"
