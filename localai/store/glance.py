"""A glance at a file elsewhere: its first bytes, its size and its version."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from localai.network.leaving import Cancel, Left, answer_unless_left
from localai.store.artifact import RemoteFile
from localai.store.errors import Cancelled
from localai.store.source import Answer, Changed, Source, TryAgain

_TIMEOUT = 20.0
"""Seconds until the other side answers; who glances can do without."""
_READING = 10.0
"""Seconds for the bytes; on a slow line fewer of them have to do."""


@dataclass(frozen=True)
class Glance:
    """What was seen; `size` is the whole file's, `version` names its content where that is told.

    `is_short` tells that less came than was asked for, although the file has more.
    """

    head: bytes
    size: int | None
    version: str | None
    is_short: bool


def glance(file: RemoteFile, count: int, cancel: Cancel | None = None) -> Glance | None:
    """Return what at most `count` bytes tell; None where the other side is busy or silent.

    Nor is anything told of a file that changes meanwhile. Raises Cancelled when `cancel` is set,
    StoreError or RequestError for what trying again does not mend.
    """
    try:
        return answer_unless_left(lambda: asyncio.run(_glance(file, count)), cancel)
    except (TryAgain, Changed):
        return None
    except Left:
        raise Cancelled(f"Looking at {file.path} was cancelled.") from None


async def _glance(file: RemoteFile, count: int) -> Glance:
    from localai.network.clients import async_client

    async with (
        async_client(file.reach, file.certificates, timeout=_TIMEOUT) as client,
        Source(client, file).open((0, count), None) as answer,
    ):
        size = answer.size or file.size
        head, is_cut = await _head(answer, count)
        is_short = is_cut or (size is not None and len(head) < min(count, size))
        return Glance(head, size, answer.validator, is_short)


async def _head(answer: Answer, count: int) -> tuple[bytes, bool]:
    """Return what came, and whether there was no time for all of it."""
    head, is_cut = bytearray(), True
    with suppress(TimeoutError):
        async with asyncio.timeout(_READING):
            async for data in answer.response.aiter_raw():
                head += data
                if len(head) >= count:
                    break
        is_cut = False
    return bytes(head[:count]), is_cut
