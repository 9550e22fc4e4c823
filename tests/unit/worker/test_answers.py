from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.types import ASGIApp, Message

from localai.errors import InvalidRequest
from localai.protocol.capabilities import Capability
from localai.protocol.events import Event, Finished, TextDelta, Usage
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.protocol.requests import ChatRequest, CompletionRequest
from localai.protocol.sse import DONE, USAGE_HEADER
from localai.worker.backend import Backend
from localai.worker.host import create_worker_app

PATHS = {"chat": "/v1/chat/completions", "completion": "/v1/completions"}


class Scripted(Backend):
    """Yields what a test says; an exception in the script is raised, None waits for ever."""

    honours = {Capability.CHAT: frozenset({"temperature"})}

    def __init__(self, *script: Event | Exception | None) -> None:
        super().__init__(LaunchSpec(name="m", backend=Path(), socket=Path("socket")))
        self._script = script
        self.asked: list[ChatRequest | CompletionRequest] = []
        self.closed = 0

    async def load(self) -> WorkerInfo:
        return WorkerInfo(
            name="m",
            backend="scripted",
            capabilities=[Capability.CHAT, Capability.COMPLETION],
            max_concurrent=1,
        )

    def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        return self._play(request)

    def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        return self._play(request)

    def metrics(self) -> dict[str, float]:
        return {"sequences_running": 1, "seconds": 0.5}

    async def _play(self, request: ChatRequest | CompletionRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(request)
        try:
            for event in self._script:
                if event is None:
                    await asyncio.Event().wait()
                elif isinstance(event, Exception):
                    raise event
                else:
                    yield event
        finally:
            self.closed += 1


class Call:
    """One call on an ASGI app, whose caller can leave at any time."""

    def __init__(self, app: ASGIApp, path: str, body: object, **headers: str) -> None:
        self._app = app
        self._body = b"" if body is None else orjson.dumps(body)
        self._scope = {
            "type": "http", "http_version": "1.1", "method": "GET" if body is None else "POST",
            "path": path, "query_string": b"", "root_path": "", "scheme": "http",
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
        }  # fmt: skip
        self._sent_body = False
        self._gone = asyncio.Event()
        self._bodies: list[bytes] = []
        self._first = asyncio.Event()
        self.status = 0
        self.headers: dict[str, str] = {}

    async def run(self) -> bytes:
        """Return the answer's body."""
        await self._app(self._scope, self._receive, self._send)
        return b"".join(self._bodies)

    async def leave_after_first_byte(self) -> None:
        """Close the connection once an answer has begun; returns when the app is done."""
        running = asyncio.create_task(self.run())
        await self._first.wait()
        self._gone.set()
        await running

    async def leave_at_once(self) -> None:
        """Close the connection before there is an answer; returns when the app is done."""
        running = asyncio.create_task(self.run())
        await asyncio.sleep(0)
        self._gone.set()
        await running

    async def _receive(self) -> Message:
        if not self._sent_body:
            self._sent_body = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        elif body := message.get("body"):
            self._bodies.append(body)
            self._first.set()


def app_of(backend: Scripted, *capabilities: Capability) -> ASGIApp:
    info = WorkerInfo(
        name="m", backend="scripted", capabilities=list(capabilities or map(Capability, PATHS)),
        max_concurrent=1,
    )  # fmt: skip
    return create_worker_app(backend, info)


def call(backend: Scripted, body: dict[str, Any], path: str = PATHS["chat"], **h: str) -> Call:
    return Call(app_of(backend), path, body, **h)


def chat_body(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "x"}], **fields}


def frames(raw: bytes) -> list[bytes]:
    assert raw.endswith(b"\n\n")
    return [frame + b"\n\n" for frame in raw.split(b"\n\n")[:-1]]


TEXT = (TextDelta("a"), TextDelta("b"), Finished("stop"), Usage(1, 2))


async def test_a_whole_answer_is_one_json_object() -> None:
    backend = Scripted(*TEXT)
    asked = call(backend, chat_body())
    answer = orjson.loads(await asked.run())
    assert asked.status == 200
    assert asked.headers["content-type"] == "application/json"
    assert answer["choices"][0]["message"]["content"] == "ab"
    assert backend.closed == 1


async def test_a_stream_ends_with_done() -> None:
    asked = call(Scripted(*TEXT), chat_body(stream=True))
    parts = frames(await asked.run())
    assert asked.headers["content-type"].startswith("text/event-stream")
    assert asked.headers["cache-control"] == "no-cache"
    assert parts[-1] == DONE
    assert all(part.startswith(b"data: {") for part in parts[:-1])


async def test_usage_for_the_books_comes_before_done_and_only_when_asked() -> None:
    plain = await call(Scripted(*TEXT), chat_body(stream=True)).run()
    booked = await call(Scripted(*TEXT), chat_body(stream=True), **{USAGE_HEADER: "1"}).run()
    assert b": usage" not in plain
    assert frames(booked)[-2:] == [b": usage 1 2\n\n", DONE]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["chat", "completion"])
async def test_an_early_error_keeps_its_status(stream: bool, kind: str) -> None:
    error = InvalidRequest("No such tool.", param="tool_choice")
    body = chat_body(stream=stream) if kind == "chat" else {"prompt": "x", "stream": stream}
    asked = call(Scripted(error), body, PATHS[kind])
    answer = await asked.run()
    assert asked.status == 400
    assert asked.headers["content-type"] == "application/json"
    assert orjson.loads(answer) == error.envelope()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_early_mistake_of_the_backend_is_a_500(stream: bool) -> None:
    asked = call(Scripted(RuntimeError("out of paper")), chat_body(stream=stream))
    error = orjson.loads(await asked.run())["error"]
    assert asked.status == 500
    assert asked.headers["x-should-retry"] == "false"
    assert error["message"] == "The engine failed: RuntimeError: out of paper."
    assert (error["type"], error["code"]) == ("server_error", "engine_failed")


async def test_a_late_error_of_a_whole_answer_keeps_its_status() -> None:
    asked = call(Scripted(TextDelta("a"), InvalidRequest("x", code="late")), chat_body())
    assert orjson.loads(await asked.run())["error"]["code"] == "late"
    assert asked.status == 400


@pytest.mark.parametrize(
    ("error", "code"), [(InvalidRequest("x", code="late"), "late"), (ValueError(), "engine_failed")]
)
async def test_a_late_error_ends_the_stream_with_an_error_frame(
    error: Exception, code: str
) -> None:
    asked = call(Scripted(TextDelta("a"), error), chat_body(stream=True))
    raw = await asked.run()
    last = frames(raw)[-1]
    assert asked.status == 200
    assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == code
    assert b"[DONE]" not in raw


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_that_leaves_before_the_answer_stops_the_backend(stream: bool) -> None:
    backend = Scripted(None)
    asked = call(backend, chat_body(stream=stream))
    async with asyncio.timeout(5):
        await asked.leave_at_once()
    assert (backend.closed, asked.status) == (1, 0)


async def test_a_caller_that_leaves_during_a_stream_stops_the_backend() -> None:
    backend = Scripted(TextDelta("a"), None)
    asked = call(backend, chat_body(stream=True))
    async with asyncio.timeout(5):
        await asked.leave_after_first_byte()
    assert backend.closed == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_unknown_fields_are_named_in_a_header(stream: bool) -> None:
    asked = call(Scripted(*TEXT), chat_body(stream=stream, zebra=1, apple=2))
    await asked.run()
    assert asked.status == 200
    assert asked.headers["x-localai-ignored"] == "apple, zebra"


@pytest.mark.parametrize("stream", [False, True])
async def test_nothing_ignored_means_no_header(stream: bool) -> None:
    asked = call(Scripted(*TEXT), chat_body(stream=stream, temperature=1))
    await asked.run()
    assert "x-localai-ignored" not in asked.headers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["größe", "日本", "a\r\nset-cookie: x", "🎉", "", "x" * 10_000])
async def test_odd_names_of_unknown_fields_make_a_safe_header(name: str, stream: bool) -> None:
    asked = call(Scripted(*TEXT), chat_body(stream=stream, **{name: 1}))
    await asked.run()
    header = asked.headers["x-localai-ignored"]
    assert asked.status == 200
    assert header.isascii()
    assert header.isprintable()
    assert len(header) < 2000


async def test_a_parameter_that_is_not_honoured_is_refused_before_the_backend() -> None:
    backend = Scripted(*TEXT)
    asked = call(backend, chat_body(stream=True, top_k=5))
    error = orjson.loads(await asked.run())["error"]
    assert (asked.status, error["param"], error["code"]) == (400, "top_k", "unsupported_parameter")
    assert backend.asked == []


async def test_the_backend_gets_the_typed_request() -> None:
    backend = Scripted(*TEXT)
    await call(backend, {"prompt": ["a", "b"]}, PATHS["completion"]).run()
    request = backend.asked[0]
    assert isinstance(request, CompletionRequest)
    assert request.prompts() == ["a", "b"]


async def test_a_worker_has_no_route_for_what_it_cannot_do() -> None:
    app = app_of(Scripted(*TEXT), Capability.CHAT)
    asked = Call(app, PATHS["completion"], {"prompt": "x"})
    assert orjson.loads(await asked.run())["error"]["code"] == "unknown_url"
    assert asked.status == 404


async def test_health_info_and_metrics_of_a_worker() -> None:
    app = app_of(Scripted(), Capability.CHAT)
    assert orjson.loads(await Call(app, "/health", None).run()) == {"status": "ok"}
    assert orjson.loads(await Call(app, "/info", None).run()) == {
        "name": "m", "backend": "scripted", "capabilities": ["chat"], "context_length": None,
        "max_concurrent": 1, "footprint": {}, "build": {},
    }  # fmt: skip
    assert (await Call(app, "/metrics", None).run()).decode() == (
        "# TYPE localai_worker_sequences_running gauge\nlocalai_worker_sequences_running 1\n"
        "# TYPE localai_worker_seconds gauge\nlocalai_worker_seconds 0.5\n"
    )
