"""A worker's hold on its model's files: nobody removes them unasked while it lives.

Most engines close a file once it is read, so that no list of open files tells of it any more; the
locks held here do, to other users and to other containers on one volume too.
"""

from __future__ import annotations

import heapq
import logging
import os
import stat
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from localai.file_locks import open_locked
from localai.protocol.launch import LaunchSpec
from localai.protocol.manifest import Manifest

_LOG = logging.getLogger("localai.worker")
_MOST = 256
"""A worker may have 1024 files open; the largest of a folder stand for the rest."""
_MOST_LOOKED_AT = 20_000
_UNFINISHED = (".part", ".part.json")
_PATIENCE = 2.0
_PAUSE = 0.02


def files_in_use(spec: LaunchSpec, manifest: Manifest) -> list[Path]:
    """Return the files of the model and of the options that name files."""
    options = [spec.options.get(name) for name, one in manifest.options.items() if one.is_path]
    paths = [spec.model, *(Path(text) for text in options if isinstance(text, str) and text)]
    found = (file for path in paths if path is not None for file in _files_of(path))
    return [file for _, file in heapq.nlargest(_MOST, islice(found, _MOST_LOOKED_AT))]


def hold(paths: Iterable[Path]) -> list[int]:
    """Return descriptors that hold `paths`, one for each that can be held, until they are closed.

    One that is about to be removed is waited for shortly, and then gone on without.
    """
    held = (_hold(path) for path in paths)
    return [descriptor for descriptor in held if descriptor is not None]


def _hold(path: Path) -> int | None:
    deadline = time.monotonic() + _PATIENCE
    try:
        while (descriptor := open_locked(path, shared=True)) is None:
            if time.monotonic() > deadline:
                _LOG.warning("%s is locked by another process: it may be removed meanwhile", path)
                return None
            time.sleep(_PAUSE)
    except OSError as error:
        # The engine tells what is wrong with the file, if it needs it.
        _LOG.warning("%s cannot be held (%s): it may be removed meanwhile", path, error.strerror)
        return None
    return descriptor


def _files_of(path: Path) -> Iterator[tuple[int, Path]]:
    """Yield the files of a model with their sizes; those that are still fetched are not touched."""
    if not path.is_dir():
        yield from _with_size(path)
        return
    for folder, _, names in os.walk(path):
        for name in names:
            # A lock on these would keep the download from going on.
            if not name.startswith(".") and not name.endswith(_UNFINISHED):
                yield from _with_size(Path(folder) / name)


def _with_size(path: Path) -> Iterator[tuple[int, Path]]:
    try:
        found = path.stat()
    except OSError:
        return
    if stat.S_ISREG(found.st_mode):
        yield found.st_size, path
