"""One record a call: its id, model, tokens and times, for the log line and the metrics."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from localai.api.generated_files import PREFIX
from localai.protocol.asgi import CLIENT_GONE, error_response, internal_error

log = logging.getLogger("localai.access")
_SAFE_ID = re.compile(r"[\x21-\x7e]{1,128}")
_QUIET = frozenset({"/health", "/ready", "/metrics"})


@dataclass(slots=True)
class Record:
    """What becomes known of a call while it is answered; times in seconds."""

    method: str
    path: str
    id: str
    began: float = field(default_factory=time.perf_counter)
    route: str = ""
    model: str = ""
    status: int = 0
    usage: tuple[int, int] | None = None
    """Prompt and completion tokens."""
    first_byte_seconds: float | None = None
    seconds: float = 0.0
    failure: str | None = None
    """What went wrong after the status line was sent."""


def record_of(scope: Scope) -> Record:
    """Return the record of the call that `scope` belongs to."""
    record = scope["localai.record"]
    assert isinstance(record, Record)
    return record


class RequestRecords:
    """ASGI middleware: gives each call a record and an `x-request-id`, and files it at the end."""

    def __init__(self, app: ASGIApp, count: Callable[[Record], None]) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = scope["localai.record"] = _new_record(scope)

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = record.status or message["status"]
                message["headers"] = [
                    *message.get("headers", ()), (b"x-request-id", record.id.encode())
                ]  # fmt: skip
            elif record.first_byte_seconds is None:
                record.first_byte_seconds = time.perf_counter() - record.began
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception as error:
            log.exception("%s %s failed", record.method, record.path)
            if record.status:
                raise  # too late for another answer: the server closes the connection
            await error_response(internal_error(error))(scope, receive, send_noted)
        finally:
            self._file(record, scope)

    def _file(self, record: Record, scope: Scope) -> None:
        record.seconds = time.perf_counter() - record.began
        route = scope.get("route")
        record.route = getattr(route, "path", "") or "unknown"
        self._count(record)
        level = logging.DEBUG if record.path in _QUIET else logging.INFO
        if log.isEnabledFor(level):
            log.log(level, "%s", _line(record))


def _new_record(scope: Scope) -> Record:
    given = Headers(scope=scope).get("x-request-id", "")
    own = given if _SAFE_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
    return Record(scope["method"], scope["path"], own)


def _shown_path(path: str) -> str:
    """Return `path` without the name that is the key to a generated file."""
    return f"{PREFIX}/…" if path.startswith(f"{PREFIX}/") else path


def _line(record: Record) -> str:
    parts = [record.method, _shown_path(record.path), str(record.status or CLIENT_GONE)]
    if record.model:
        parts.append(f"model={record.model}")
    if record.usage:
        parts.append(f"tokens={record.usage[0]}+{record.usage[1]}")
    if record.first_byte_seconds is not None:
        parts.append(f"first={record.first_byte_seconds:.3f}s")
    parts.append(f"total={record.seconds:.3f}s id={record.id}")
    if record.failure:
        parts.append(f"failed={record.failure}")
    return " ".join(parts)
