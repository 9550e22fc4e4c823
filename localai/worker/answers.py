"""Runs one call against the backend and writes its answer, streamed or whole."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from localai.errors import EngineFailed, LocalAIError
from localai.protocol import sse
from localai.protocol.asgi import CallerGone, error_response, json_response, watch_caller
from localai.protocol.events import Event, Usage
from localai.worker.shapes import Shape

log = logging.getLogger(__name__)
_MOST_IGNORED = 1000
"""Characters of the header that names ignored fields; clients refuse very long headers."""


class Answer(Response):
    """An answer that is made while it is sent; the backend is stopped when the caller leaves.

    The first event is awaited before the status line goes out, so that an early failure keeps its
    HTTP status.
    """

    def __init__(
        self, events: AsyncGenerator[Event, None], shape: Shape, *, stream: bool, ignored: list[str]
    ) -> None:
        super().__init__()
        self._events = events
        self._shape = shape
        self._stream = stream
        self._notes_usage = False
        self._usage_comment = b""
        self._extra_headers = _ignored_header(ignored)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call; ends quietly when the caller is gone."""
        self._notes_usage = sse.USAGE_HEADER in Headers(scope=scope)
        try:
            async with watch_caller(receive), aclosing(self._events):
                write = self._write_stream if self._stream else self._write_whole
                await write(scope, receive, send)
        except CallerGone:
            log.debug("the caller left")

    async def _write_whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async for event in self._events:
                self._shape.collect(event)
            answer = json_response(self._shape.answer(), headers=self._extra_headers)
        except Exception as error:
            answer = error_response(_typed(error))
        await answer(scope, receive, send)

    async def _write_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            first = await anext(self._events, None)
        except Exception as error:
            await error_response(_typed(error))(scope, receive, send)
            return
        await send(self._stream_start())
        await self._write_frames(first, send)

    def _stream_start(self) -> dict[str, object]:
        headers = {
            "content-type": sse.CONTENT_TYPE,
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
        } | self._extra_headers
        raw = [(k.encode("latin-1"), v.encode("utf-8")) for k, v in headers.items()]
        return {"type": "http.response.start", "status": 200, "headers": raw}

    async def _write_frames(self, first: Event | None, send: Send) -> None:
        try:
            if first is not None:
                await self._write_event(first, send)
            async for event in self._events:
                await self._write_event(event, send)
            last = self._usage_comment + sse.DONE
        except Exception as error:
            last = sse.error_frame(_typed(error))
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _write_event(self, event: Event, send: Send) -> None:
        if self._notes_usage and isinstance(event, Usage):
            self._usage_comment = sse.usage_comment(event.prompt_tokens, event.completion_tokens)
        frames = b"".join(map(sse.data_frame, self._shape.chunks(event)))
        if frames:
            await send({"type": "http.response.body", "body": frames, "more_body": True})


def _ignored_header(names: list[str]) -> dict[str, str]:
    """Return the header that names ignored fields; a caller may call them anything."""
    if not names:
        return {}
    listed = ", ".join(quote(name, safe="/:[]") for name in names)
    return {"x-localai-ignored": listed[:_MOST_IGNORED]}


def _typed(error: Exception) -> LocalAIError:
    if isinstance(error, LocalAIError):
        return error
    log.error("the backend failed", exc_info=error)
    return EngineFailed(f"The engine failed: {type(error).__name__}: {error}.")
