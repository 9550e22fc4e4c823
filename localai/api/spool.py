"""Files that live as long as one call: uploads and fetched media, on disk and never in memory."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from localai.errors import CapacityError, ConfigError
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
        files = CallFiles(self.folder(str(next(self._numbers))))
        try:
            yield files
        except BaseException:
            files.close()
            raise

    def folder(self, name: str) -> Path:
        """Return where a folder may be made, which lives as long as the gateway at most."""
        try:
            return self._folder.path / name
        except OSError as error:
            raise no_room(error) from error

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
        """Return the path of a new file with `content`; raises CapacityError without room."""
        path = self._folder / str(next(self._numbers))
        write_whole(path, content)
        return path

    def close(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder, ignore_errors=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a new file; where there is no room for it, leave none and raise CapacityError."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise no_room(error) from error


def no_room(error: OSError) -> CapacityError:
    """Return the 503 for a file that could not be written."""
    return CapacityError(
        f"The gateway cannot keep the file: {error.strerror}. Free some space, or set "
        "LOCALAI_SPOOL_DIR to a folder that has more.",
        code="upload_not_stored",
    )
