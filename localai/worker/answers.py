"""Runs one call against the backend and writes its answer, streamed or whole."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from localai.errors import EngineFailed, LocalAIError
from localai.protocol import sse
from localai.protocol.asgi import CallerGone, error_response, watch_caller
from localai.protocol.events import Usage

log = logging.getLogger(__name__)
_MOST_IGNORED = 1000
"""Characters of the header that names ignored fields; clients refuse very long headers."""
EventT = TypeVar("EventT")
_Taken = TypeVar("_Taken", contravariant=True)


class Form(Protocol[_Taken]):
    """How one answer's events become bytes: collected into one body, or piece by piece.

    Making bytes may take a while, as for audio and pictures, so that part may be awaited.
    """

    stream_type: str
    """The content type of a streamed answer."""

    def collect(self, event: _Taken) -> None:
        """Add `event` to the whole answer."""

    async def whole(self) -> Response:
        """Return the answer of all collected events."""

    async def pieces(self, event: _Taken) -> bytes:
        """Return what a stream carries for `event`, possibly nothing."""

    async def ending(self) -> bytes:
        """Return the last bytes of a complete stream."""

    def failure(self, error: LocalAIError) -> bytes | None:
        """Return the last bytes of a failed stream; None breaks the connection, to be noticed."""


class Answer(Response, Generic[EventT]):
    """An answer that is made while it is sent; the backend is stopped when the caller leaves.

    The first event is awaited before the status line goes out, so that an early failure keeps its
    HTTP status.
    """

    def __init__(
        self,
        events: AsyncGenerator[EventT, None],
        form: Form[EventT],
        *,
        stream: bool,
        ignored: list[str],
    ) -> None:
        super().__init__()
        self._events = events
        self._form = form
        self._stream = stream
        self._notes_usage = False
        self._usage_comment = b""
        self._extra_headers = ignored_header(ignored)

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
                self._form.collect(event)
            answer = await self._form.whole()
            answer.headers.update(self._extra_headers)
        except Exception as error:
            answer = error_response(typed_error(error))
        await answer(scope, receive, send)

    async def _write_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            first = await anext(self._events, None)
            opening = b"" if first is None else await self._pieces(first)
        except Exception as error:
            await error_response(typed_error(error))(scope, receive, send)
            return
        await send(self._stream_start())
        await self._write_pieces(opening, send)

    def _stream_start(self) -> dict[str, Any]:
        headers = {
            "content-type": self._form.stream_type,
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
        } | self._extra_headers
        raw = [(k.encode("latin-1"), v.encode("utf-8")) for k, v in headers.items()]
        return {"type": "http.response.start", "status": 200, "headers": raw}

    async def _write_pieces(self, opening: bytes, send: Send) -> None:
        last: bytes | None
        try:
            await _send_piece(opening, send)
            async for event in self._events:
                await _send_piece(await self._pieces(event), send)
            last = self._usage_comment + await self._form.ending()
        except Exception as error:
            last = self._form.failure(typed_error(error))
        if last is not None:  # else the server closes the connection in the middle of the answer
            await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _pieces(self, event: EventT) -> bytes:
        if self._notes_usage and isinstance(event, Usage):
            self._usage_comment = sse.usage_comment(event.prompt_tokens, event.completion_tokens)
        return await self._form.pieces(event)


async def _send_piece(piece: bytes, send: Send) -> None:
    if piece:
        await send({"type": "http.response.body", "body": piece, "more_body": True})


def ignored_header(names: list[str]) -> dict[str, str]:
    """Return the header that names ignored fields; a caller may call them anything."""
    if not names:
        return {}
    listed = ", ".join(quote(name, safe="/:[]") for name in names)
    return {"x-localai-ignored": listed[:_MOST_IGNORED]}


def typed_error(error: Exception) -> LocalAIError:
    """Return `error` if it is typed, else log it and return it as the engine's failure."""
    if isinstance(error, LocalAIError):
        return error
    log.error("the backend failed", exc_info=error)
    return EngineFailed(f"The engine failed: {type(error).__name__}: {error}.")
