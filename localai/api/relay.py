"""Passes a call on to its worker and the worker's bytes back to the caller."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from localai.api.records import Record, record_of
from localai.api.spool import CallFiles
from localai.cards.resolved import ResolvedCard
from localai.errors import EngineFailed, LocalAIError, ShuttingDown
from localai.pool.connection import WorkerGone, WorkerResponse
from localai.pool.pool import Pool
from localai.pool.supervise import Worker
from localai.protocol import sse
from localai.protocol.asgi import CALLER_GONE, CLIENT_GONE, CallerGone, watch_caller

Headers = list[tuple[bytes, bytes]]
Rewrite = Callable[[bytes], Awaitable[bytes]]
Explain = Callable[[bytes], bytes]
_KEPT_HEADERS = frozenset(
    {
        b"cache-control", b"content-type", b"retry-after", b"x-accel-buffering",
        b"x-localai-ignored", b"x-should-retry",
    }
)  # fmt: skip
_REQUEST_HEADERS = b"content-type: application/json\r\n%b: 1\r\n" % sse.USAGE_HEADER.encode()
_USAGE_AT_MOST = 600
"""How far from a body's end its usage can begin, in bytes."""
_USAGE = re.compile(
    rb'"usage":\{"(?:prompt|input)_tokens":(\d+),(?:"(?:completion|output)_tokens":(\d+))?'
)


class Relay(Response):
    """The answer to a call, made by a worker while it is sent.

    Failures before the first byte keep their HTTP status; later ones end a stream of events with
    an error frame and break any other. A caller that leaves closes the worker's connection, which
    cancels the call there.
    """

    def __init__(
        self,
        pool: Pool,
        card: ResolvedCard,
        path: str,
        body: dict[str, Any] | None,
        extra_headers: Headers,
        *,
        files: CallFiles | None = None,
        rewrite: Rewrite | None = None,
        explain: Explain | None = None,
    ) -> None:
        """Ask with POST, or with GET where `body` is None.

        `files` are removed when the call is over; `rewrite` changes a whole answer of status 200,
        `explain` one that refuses the call.
        """
        super().__init__()
        self._pool = pool
        self._card = card
        self._path = path
        self._body = None if body is None else orjson.dumps(body)
        self._extra_headers = extra_headers
        self._files = files
        self._rewrite = rewrite
        self._explain = explain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        record = record_of(scope)
        record.model = self._card.name
        try:
            async with watch_caller(receive), self._pool.lease(self._card) as worker:
                exchange = _Exchange(
                    worker, record, send, self._extra_headers, self._rewrite, self._explain
                )
                await exchange.run(self._path, self._body)
        except CallerGone:
            record.status = CLIENT_GONE
        except asyncio.CancelledError:
            raise _shut_down() from None
        finally:
            if self._files is not None:
                self._files.close()


class _Exchange:
    """One call's way to a leased worker and back."""

    def __init__(
        self,
        worker: Worker,
        record: Record,
        send: Send,
        extra: Headers,
        rewrite: Rewrite | None,
        explain: Explain | None = None,
    ) -> None:
        self._worker = worker
        self._record = record
        self._send = send
        self._extra = extra
        self._rewrite = rewrite
        self._explain = explain

    async def run(self, path: str, body: bytes | None) -> None:
        method = "GET" if body is None else "POST"
        try:
            response = await self._worker.client.request(
                method, path, body or b"", _REQUEST_HEADERS
            )
        except WorkerGone:
            raise await self._worker.broken() from None
        try:
            if _has_events(response):
                await self._pass_events(response)
            elif _is_open_ended(response):
                await self._pass_bytes(response)
            else:
                await self._pass_whole(response)
        finally:
            response.close()

    async def _pass_whole(self, response: WorkerResponse) -> None:
        try:
            body = await response.read()
        except WorkerGone:
            raise await self._worker.broken() from None
        if usage := _USAGE.search(body, max(0, len(body) - _USAGE_AT_MOST)):
            self._record.usage = int(usage[1]), int(usage[2] or 0)
        if self._rewrite is not None and response.status == 200:
            body = await self._rewrite(body)
        if self._explain is not None and 400 <= response.status < 500:
            body = self._explain(body)
        await self._start(response, (b"content-length", str(len(body)).encode()))
        await self._send({"type": "http.response.body", "body": body})

    async def _pass_bytes(self, response: WorkerResponse) -> None:
        """Pass on a body of unknown length; a broken one is left incomplete, so that it shows."""
        await self._start(response)
        try:
            async for chunk in response.chunks():
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        except WorkerGone:
            # The caller can only be told that it failed, so that nobody waits to find out why.
            self._record.failure = "answer_broken"
            return
        await self._send({"type": "http.response.body", "body": b""})

    async def _pass_events(self, response: WorkerResponse) -> None:
        await self._start(response)
        last = await self._pass_frames(response)
        await self._send({"type": "http.response.body", "body": last})

    async def _start(self, response: WorkerResponse, *more: tuple[bytes, bytes]) -> None:
        kept = [(name, value) for name, value in response.headers if name in _KEPT_HEADERS]
        headers = [*kept, *self._extra, *more]
        await self._send(
            {"type": "http.response.start", "status": response.status, "headers": headers}
        )

    async def _pass_frames(self, response: WorkerResponse) -> bytes:
        """Pass all frames on; returns the frame that must still end the stream, if any."""
        cutter = sse.FrameCutter()
        try:
            async for chunk in response.chunks():
                frames, usage = sse.take_usage(cutter.feed(chunk))
                self._record.usage = usage or self._record.usage
                if frames:
                    await self._send(
                        {"type": "http.response.body", "body": frames, "more_body": True}
                    )
        except WorkerGone:
            return self._fail(await self._worker.broken())
        except asyncio.CancelledError as cancelled:
            if cancelled.args == (CALLER_GONE,):
                raise
            return self._fail(_shut_down())
        if not sse.is_terminal(cutter.last):
            return self._fail(EngineFailed("The worker ended its stream without a last word."))
        if not cutter.last.endswith(sse.DONE):
            self._record.failure = "error in the stream"
        return b""

    def _fail(self, error: LocalAIError) -> bytes:
        self._record.failure = error.code
        return sse.error_frame(error)


def _shut_down() -> ShuttingDown:
    return ShuttingDown("The gateway shut down during the answer.", retry_after=5)


def _has_events(response: WorkerResponse) -> bool:
    return any(
        name == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in response.headers
    )


def _is_open_ended(response: WorkerResponse) -> bool:
    return all(name != b"content-length" for name, _ in response.headers)
