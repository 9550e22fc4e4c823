"""Passes a call on to its worker and the worker's bytes back to the caller."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from localai.api.records import Record, record_of
from localai.cards.resolved import ResolvedCard
from localai.errors import EngineFailed, LocalAIError, ShuttingDown
from localai.pool.connection import WorkerGone, WorkerResponse
from localai.pool.pool import Pool
from localai.pool.supervise import Worker
from localai.protocol import sse
from localai.protocol.asgi import CALLER_GONE, CLIENT_GONE, CallerGone, watch_caller

_KEPT_HEADERS = frozenset(
    {
        b"cache-control", b"content-type", b"retry-after", b"x-accel-buffering",
        b"x-localai-ignored", b"x-should-retry",
    }
)  # fmt: skip
_REQUEST_HEADERS = b"content-type: application/json\r\n%b: 1\r\n" % sse.USAGE_HEADER.encode()
_USAGE = re.compile(rb'"usage":\{"prompt_tokens":(\d+),"completion_tokens":(\d+)')


class Relay(Response):
    """The answer to a call, made by a worker while it is sent.

    Failures before the first byte keep their HTTP status; later ones end the stream with an error
    frame. A caller that leaves closes the worker's connection, which cancels the call there.
    """

    def __init__(self, pool: Pool, card: ResolvedCard, path: str, body: dict[str, Any]) -> None:
        super().__init__()
        self._pool = pool
        self._card = card
        self._path = path
        self._body = orjson.dumps(body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        record = record_of(scope)
        record.model = self._card.name
        try:
            async with watch_caller(receive), self._pool.lease(self._card) as worker:
                await self._exchange(worker, record, send)
        except CallerGone:
            record.status = CLIENT_GONE
        except asyncio.CancelledError:
            raise _shut_down() from None

    async def _exchange(self, worker: Worker, record: Record, send: Send) -> None:
        try:
            response = await worker.client.request("POST", self._path, self._body, _REQUEST_HEADERS)
        except WorkerGone:
            raise await worker.broken() from None
        try:
            if _is_stream(response):
                await _pass_stream(worker, response, record, send)
            else:
                await _pass_whole(worker, response, record, send)
        finally:
            response.close()


async def _pass_whole(worker: Worker, response: WorkerResponse, record: Record, send: Send) -> None:
    try:
        body = await response.read()
    except WorkerGone:
        raise await worker.broken() from None
    if usage := _USAGE.search(body, max(0, len(body) - 600)):
        record.usage = int(usage[1]), int(usage[2])
    headers = [*_kept(response), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _pass_stream(
    worker: Worker, response: WorkerResponse, record: Record, send: Send
) -> None:
    await send(
        {"type": "http.response.start", "status": response.status, "headers": _kept(response)}
    )
    last = await _pass_frames(worker, response, record, send)
    await send({"type": "http.response.body", "body": last})


async def _pass_frames(
    worker: Worker, response: WorkerResponse, record: Record, send: Send
) -> bytes:
    """Pass all frames on; returns the frame that must still end the stream, if any."""
    cutter = sse.FrameCutter()
    try:
        async for chunk in response.chunks():
            frames, usage = sse.take_usage(cutter.feed(chunk))
            record.usage = usage or record.usage
            if frames:
                await send({"type": "http.response.body", "body": frames, "more_body": True})
    except WorkerGone:
        return _fail(record, await worker.broken())
    except asyncio.CancelledError as cancelled:
        if cancelled.args == (CALLER_GONE,):
            raise
        return _fail(record, _shut_down())
    if not sse.is_terminal(cutter.last):
        return _fail(record, EngineFailed("The worker ended its stream without a last word."))
    return b""


def _fail(record: Record, error: LocalAIError) -> bytes:
    record.failure = error.code
    return sse.error_frame(error)


def _shut_down() -> ShuttingDown:
    return ShuttingDown("The gateway shut down during the answer.", retry_after=5)


def _is_stream(response: WorkerResponse) -> bool:
    return any(
        name == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in response.headers
    )


def _kept(response: WorkerResponse) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in response.headers if name in _KEPT_HEADERS]
