"""A model before its weights come: its small files, and the beginning of its main one.

What these say is enough to know whether anything here runs it, before gigabytes are fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from localai.network.leaving import Cancel
from localai.store.artifact import Artifact, RemoteFile
from localai.store.errors import Cancelled
from localai.store.flights import Downloader
from localai.store.glance import Glance, glance

Check = Callable[[Path], None]
"""Refuses a model by raising; what it cannot tell yet it lets pass."""

_LARGEST_TEXT = 1 << 20
_HEAD = 4 << 20
_NUMBERS_HEAD = 4 << 10
"""Bytes of CTranslate2's `model.bin` that name the kind of model."""
_WORTH = 64 << 20
"""Bytes that are to come; before fewer of them nobody needs to look ahead."""


def look_ahead(
    artifact: Artifact,
    missing: Iterable[RemoteFile],
    downloader: Downloader,
    check: Check,
    cancel: Cancel,
) -> None:
    """Call `check` with the model as its first bytes show it, if it or enough is `missing`.

    The weights are empty there, and as long as they will be. Where the other side does not give
    all first bytes nothing is checked: half a model looks like another kind of model. Raises what
    `check` raises.
    """
    sizes = [file.size for file in missing]
    files = [file for file in artifact.files if file.kind != "projector"]
    is_large = None in sizes or sum(size or 0 for size in sizes) > _WORTH
    # What a folder is its few texts tell, however small its weights are.
    is_worth_it = is_large or (bool(sizes) and not artifact.model)
    if not is_worth_it or any(file.archive for file in files):
        return
    with TemporaryDirectory(prefix="localai-") as place:
        folder = Path(place, PurePosixPath(artifact.folder).name)
        for file in files:
            if cancel.is_set():
                raise Cancelled(f"Fetching {artifact.reference} was cancelled.")
            if not _put(file, folder / file.path, artifact.model, downloader, cancel):
                return
        check(folder / artifact.model)


def _put(file: RemoteFile, target: Path, main: str, downloader: Downloader, cancel: Cancel) -> bool:
    """Put the file there whole, or as its beginning and a hole; False where too little came."""
    if target.suffix == ".json" and file.size is not None and file.size <= _LARGEST_TEXT:
        downloader.fetch(file, target, cancel=cancel)
        return True
    count = _head_of(file, main)
    seen = glance(file, count, cancel) if count else Glance(b"", file.size, None, is_short=False)
    if seen is None or seen.is_short:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as output:
        output.write(seen.head)
        output.truncate(max(seen.size or 0, len(seen.head)))
    return True


def _head_of(file: RemoteFile, main: str) -> int:
    """Return how many of the file's first bytes tell something."""
    path = PurePosixPath(file.path)
    if path.suffix == ".json" and file.size is None:  # most are short enough to come whole
        return _LARGEST_TEXT
    if path.name == "model.bin":
        return _NUMBERS_HEAD
    return _HEAD if file.path == main else 0
