"""A disk that is full after a few bytes."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any, BinaryIO

import pytest


class _File(io.FileIO):
    def __init__(self, path: Path, mode: str, room: int) -> None:
        super().__init__(path, mode)
        self._room = room

    def write(self, content: Any) -> int:
        super().write(content[: self._room])
        raise OSError(errno.ENOSPC, "No space left on device")


def fill_disk(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Let every new binary file take `after` bytes and no more."""
    before = Path.open

    def open_file(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if mode not in {"wb", "xb"}:
            return before(self, mode, *args, **options)
        file: BinaryIO = _File(self, mode, after)
        return file

    monkeypatch.setattr(Path, "open", open_file)
