"""HTTP habits of the gateway and every worker: bodies, error answers, callers that leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive

from localai.errors import (
    BodyTooLarge,
    EngineFailed,
    InvalidRequest,
    LocalAIError,
    MethodNotAllowed,
    RouteNotFound,
)
from localai.protocol.wire import Wire, invalid_request

RequestT = TypeVar("RequestT", bound=Wire)
JSON = "application/json"
CLIENT_GONE = 499
"""What logs and metrics call an answer that nobody waits for any more (nginx's number)."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The most that a JSON body may have: bytes, and levels of nesting."""

    size: int = 64 * 1024 * 1024
    depth: int = 64


async def read_json_object(request: Request, limits: BodyLimits) -> dict[str, Any]:
    """Return the body as a JSON object.

    Raises InvalidRequest when it is empty, no JSON, no object or nested too deeply, and
    BodyTooLarge beyond `limits.size` bytes.
    """
    raw = await _read_body(request, limits.size)
    if not raw.strip():
        raise InvalidRequest("The body is empty: send a JSON object.", code="invalid_json")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None
    if not isinstance(body, dict):
        raise InvalidRequest(
            f"The body must be a JSON object, not {_json_name(body)}.", code="invalid_json"
        )
    if raw.count(b"[") + raw.count(b"{") > limits.depth and _depth_exceeds(body, limits.depth):
        raise InvalidRequest(
            f"The body is nested deeper than {limits.depth} levels.", code="invalid_json"
        )
    return body


async def _read_body(request: Request, most: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body is larger than {most / 2**20:g} MiB; raise LOCALAI_MAX_BODY_MIB to allow more."
    )


def _json_name(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _depth_exceeds(value: object, most: int) -> bool:
    level: list[object] = [value]
    for _ in range(most):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return any(isinstance(node, dict | list) for node in level)


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def parse_request(kind: type[RequestT], body: dict[str, Any]) -> RequestT:
    """Return `body` as a typed request; raises InvalidRequest that names the parameter."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise invalid_request(error) from None


def parse_form(kind: type[RequestT], fields: dict[str, Any]) -> RequestT:
    """Return the text fields of a form as a typed request: `"0.2"` counts as a number there."""
    try:
        return kind.model_validate(fields, strict=False)
    except ValidationError as error:
        raise invalid_request(error) from None


def json_response(
    payload: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return `payload` as a JSON answer."""
    return Response(orjson.dumps(payload), status, headers, JSON)


def error_response(error: LocalAIError) -> Response:
    """Return the answer for `error`: its status, OpenAI's envelope, the retry headers."""
    return json_response(error.envelope(), error.status, error.headers())


def install_error_handlers(app: Starlette) -> None:
    """Make every failure of `app` leave in OpenAI's envelope, unknown routes included."""
    app.add_exception_handler(LocalAIError, _on_known_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_client_gone)
    app.add_exception_handler(Exception, _on_unknown_error)


async def _on_known_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LocalAIError)
    return error_response(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    where = f"{request.method} {request.url.path}"
    if error.status_code == 405:
        allowed = Headers(error.headers).get("allow", "")
        answer = error_response(MethodNotAllowed(f"{where} is not allowed; use {allowed}."))
        answer.headers["allow"] = allowed
        return answer
    if error.status_code == 404:
        return error_response(RouteNotFound(f"There is no {where} here."))
    return error_response(InvalidRequest(str(error.detail)))


async def _on_client_gone(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _on_unknown_error(request: Request, error: Exception) -> Response:
    return error_response(internal_error(error))


def internal_error(error: Exception) -> LocalAIError:
    """Return the typed error for a mistake of our own."""
    return EngineFailed(
        f"Internal error: {type(error).__name__}: {error}. The log has the traceback."
    )


CALLER_GONE = "the caller is gone"
"""The message of the cancellation that `watch_caller` sends."""


class CallerGone(Exception):
    """The caller closed the connection before the answer was complete."""


@asynccontextmanager
async def watch_caller(receive: Receive) -> AsyncIterator[None]:
    """Cancel the block, and raise CallerGone, as soon as the caller closes the connection.

    The request's body must have been read before.
    """
    caller = asyncio.current_task()
    assert caller is not None
    gone = False

    def on_message(watch: asyncio.Future[Message]) -> None:
        nonlocal gone
        gone = True
        caller.cancel(CALLER_GONE)

    watch = asyncio.ensure_future(_next_message(receive))
    watch.add_done_callback(on_message)
    try:
        yield
    except asyncio.CancelledError:
        if not gone:
            raise
        caller.uncancel()
        raise CallerGone from None
    finally:
        watch.remove_done_callback(on_message)
        watch.cancel()


async def _next_message(receive: Callable[[], Awaitable[Message]]) -> Message:
    return await receive()
