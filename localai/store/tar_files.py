"""A tar, however it is compressed, read once from its beginning to its end."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import sys
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, cast

_GZIP = re.compile(rb"\x1f\x8b")
_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")
"""With its first block, or its end: a tar may begin with a file that is called BZh9."""
_XZ = re.compile(rb"\xfd7zXZ\x00|\x5d\x00\x00(?!\x00\x00)")
"""Or its forerunner, which begins with the size of its dictionary: a tar's file may be called ]."""
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
"""A frame, or one to skip: so begins what was compressed by several at once."""
_HEAD = 16
_BLOCK = 1 << 20
_LARGEST_HEADER = 8 << 20
"""Bytes; `tarfile` reads a header whole, and what a header says of itself may be any number."""


@contextmanager
def opened_tar(path: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar that is plain or compressed by gzip, bzip2, xz or zstd; its members come in order.

    Raises tarfile.TarError for all that it cannot be read for, also while it is read.
    """
    try:
        with path.open("rb") as raw, _decoded(raw) as content:
            forward = cast("IO[bytes]", _Forward(content))
            with tarfile.open(fileobj=forward, mode="r:") as tar:
                yield tar
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, RecursionError) as error:
        raise tarfile.ReadError(str(error) or "it is damaged") from error


def read_to_end(tar: tarfile.TarFile, most: int) -> bool:
    """Read what follows the last member, as a checksum over all is at the very end.

    Returns whether that was at most `most` bytes; raises tarfile.TarError for what is damaged.
    """
    content = cast("IO[bytes]", tar.fileobj)
    while most >= 0 and (block := content.read(_BLOCK)):
        most -= len(block)
    return most >= 0


def _decoded(raw: io.BufferedReader) -> AbstractContextManager[Any]:
    head = raw.peek(_HEAD)[:_HEAD]
    if _ZSTD.match(head):
        return _decoded_zstd(raw)
    if _GZIP.match(head):
        return gzip.GzipFile(fileobj=raw)
    if _BZIP2.match(head):
        return bz2.BZ2File(raw)
    return lzma.LZMAFile(raw) if _XZ.match(head) else nullcontext(raw)


@contextmanager
def _decoded_zstd(raw: io.BufferedReader) -> Iterator[Any]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    try:
        with zstd.ZstdFile(raw) as content:
            yield content
    except zstd.ZstdError as error:
        raise tarfile.ReadError(str(error)) from error


class _Forward:
    """What `tarfile` reads from: never backwards, as all would be decoded again."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content

    def tell(self) -> int:
        return self._content.tell()

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, *_: Any) -> int:
        while (ahead := position - self.tell()) > 0 and self.read(min(ahead, _BLOCK)):
            pass
        if ahead < 0:
            raise tarfile.ReadError("it leads backwards")
        return self.tell()

    def read(self, size: int) -> bytes:
        if size > _LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size >> 20} MiB is more than is read")
        try:
            return self._content.read(size)
        except OSError as error:
            if error.errno is not None:  # the disk's; what bzip2 finds damaged has no number
                raise
            raise tarfile.ReadError(str(error)) from error
