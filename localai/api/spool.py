"""Files that live as long as one call: uploads and fetched media, on disk and never in memory."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from localai.errors import ConfigError
from localai.private_folder import PrivateFolder


class Spool:
    """Hands out a folder a call, below one private folder of the gateway."""

    def __init__(self, parent: Path | None = None) -> None:
        given = (parent or Path(tempfile.gettempdir())).absolute()
        if not given.is_dir():
            raise ConfigError(
                f"spool_dir: the folder {given} does not exist: create it, or give another one",
                param="spool_dir",
            )
        self._folder = PrivateFolder(given, "localai-spool")
        self._numbers = itertools.count(1)

    @contextmanager
    def call_files(self) -> Iterator[CallFiles]:
        """Give a folder for one call; removed when the block fails, else who answers closes it."""
        files = CallFiles(self._folder.path / str(next(self._numbers)))
        try:
            yield files
        except BaseException:
            files.close()
            raise

    def folder(self, name: str) -> Path:
        """Return a folder that lives as long as the gateway."""
        path = self._folder.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def close(self) -> None:
        """Remove everything."""
        self._folder.close()


class CallFiles:
    """The files of one call; `close` removes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    def create(self) -> tuple[Path, BinaryIO]:
        """Return a new file, open for writing, and its path."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / str(next(self._numbers))
        return path, path.open("xb")

    def write(self, content: bytes) -> Path:
        """Return the path of a new file with `content`."""
        path, file = self.create()
        with file:
            file.write(content)
        return path

    def close(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder, ignore_errors=True)
