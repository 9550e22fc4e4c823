from __future__ import annotations

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from localai.api.paths import ForgivingPaths


async def show_request(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    await PlainTextResponse(f"{request.method} {scope['path']}")(scope, receive, send)


async def ask(method: str, path: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=ForgivingPaths(show_request))
    async with httpx2.AsyncClient(transport=transport, base_url="http://app") as client:
        return await client.request(method, path)


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/v1/models", "/v1/models"),
        ("/v1/models/", "/v1/models"),
        ("/v1/models///", "/v1/models"),
        ("/v1/models/org%2Fname/", "/v1/models/org/name"),
        ("/", "/"),
        ("//", "/"),
    ],
)
async def test_slashes_at_the_end_do_not_matter(path: str, seen: str) -> None:
    assert (await ask("GET", path)).text == f"GET {seen}"


async def test_a_query_stays() -> None:
    assert (await ask("GET", "/v1/models/?view=admin")).text == "GET /v1/models"


async def test_head_is_get_without_the_body() -> None:
    get, head = await ask("GET", "/v1/models"), await ask("HEAD", "/v1/models")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"] == "14"


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
async def test_other_methods_stay_as_they_are(method: str) -> None:
    assert (await ask(method, "/x/")).text == f"{method} /x"


async def test_what_is_no_http_passes() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await ForgivingPaths(app)({"type": "lifespan"}, receive, send)
    assert seen == ["lifespan"]


async def test_the_body_of_head_is_cut_whatever_the_server_does() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "HEAD", "path": "/x", "headers": []}
    await ForgivingPaths(show_request)(scope, receive, send)
    start, body = sent
    assert start["status"] == 200
    assert body["body"] == b""
