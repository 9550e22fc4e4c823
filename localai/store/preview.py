"""A model before its weights come: its small files, and the beginning of its main one.

What these say is enough to know whether anything here runs it, before gigabytes are fetched.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from localai.store.artifact import Artifact, RemoteFile
from localai.store.download import Downloader
from localai.store.errors import Cancelled
from localai.store.glance import glance

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
    cancel: threading.Event,
) -> None:
    """Call `check` with the model as its first bytes show it, if enough of it is `missing`.

    The weights are empty there, and as long as they will be. Raises what `check` raises.
    """
    sizes = [file.size for file in missing]
    files = [file for file in artifact.files if file.kind != "projector"]
    is_large = None in sizes or sum(size or 0 for size in sizes) > _WORTH
    if not is_large or any(file.archive for file in files):
        return
    with TemporaryDirectory(prefix="localai-") as place:
        folder = Path(place, PurePosixPath(artifact.folder).name)
        for file in files:
            if cancel.is_set():
                raise Cancelled(f"Fetching {artifact.reference} was cancelled.")
            _put(file, folder / file.path, artifact.model, downloader, cancel)
        check(folder / artifact.model)


def _put(
    file: RemoteFile, target: Path, main: str, downloader: Downloader, cancel: threading.Event
) -> None:
    """Put the file there whole, or its beginning, or an empty one of its name."""
    is_text = target.suffix == ".json" and file.size is not None and file.size <= _LARGEST_TEXT
    if is_text:
        downloader.fetch(file, target, cancel=cancel)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    count = _NUMBERS_HEAD if target.name == "model.bin" else _HEAD if file.path == main else 0
    seen = glance(file, count) if count else None
    size = file.size if seen is None else seen.size
    with target.open("wb") as output:
        if seen is not None:
            output.write(seen.head)
            os.truncate(output.fileno(), max(size or 0, len(seen.head)))
