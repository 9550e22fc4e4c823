"""A glance at a file elsewhere: its first bytes, its size and its version."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from localai.store.artifact import RemoteFile
from localai.store.source import Answer, Source, TryAgain

_TIMEOUT = 20.0
"""Seconds until the other side answers; who glances can do without."""
_READING = 10.0
"""Seconds for the bytes; on a slow line fewer of them have to do."""


@dataclass(frozen=True)
class Glance:
    """What was seen; `size` is the whole file's, `version` names its content where that is told."""

    head: bytes
    size: int | None
    version: str | None


def glance(file: RemoteFile, count: int) -> Glance | None:
    """Return what at most `count` bytes tell; None where the other side is busy or silent.

    Raises StoreError or RequestError for what trying again does not mend.
    """
    try:
        return asyncio.run(_glance(file, count))
    except TryAgain:
        return None


async def _glance(file: RemoteFile, count: int) -> Glance:
    from localai.network.clients import async_client

    async with (
        async_client(file.reach, timeout=_TIMEOUT) as client,
        Source(client, file).open((0, count), None) as answer,
    ):
        return Glance(await _head(answer, count), answer.size or file.size, answer.validator)


async def _head(answer: Answer, count: int) -> bytes:
    head = bytearray()
    with suppress(TimeoutError):
        async with asyncio.timeout(_READING):
            async for data in answer.response.aiter_raw():
                head += data
                if len(head) >= count:
                    break
    return bytes(head[:count])
