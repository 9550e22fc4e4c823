from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from localai.errors import QueueFull
from localai.protocol.asgi import (
    BodyLimits,
    CallerGone,
    install_error_handlers,
    json_response,
    read_json_object,
    watch_caller,
)

LIMITS = BodyLimits(size=200_000, depth=64)


async def echo_body(request: Request) -> Response:
    return json_response(await read_json_object(request, LIMITS))


async def refuse(request: Request) -> Response:
    raise QueueFull("Full.", retry_after=2.4, details={"waiting": 3})


async def divide(request: Request) -> Response:
    return json_response(1 // 0)


def create_app() -> Starlette:
    app = Starlette(
        routes=[
            Route("/body", echo_body, methods=["POST"]),
            Route("/refuse", refuse),
            Route("/divide", divide),
        ]
    )
    install_error_handlers(app)
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app(), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://app") as client:
        yield client


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """Return an object with `depth` levels, the object itself counted."""
    return b'{"a":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "The body is empty: send a JSON object."),
        (b" \r\n", "The body is empty: send a JSON object."),
        (b"hello", "The body is not valid JSON: "),
        (b'{"a":', "The body is not valid JSON: "),
        (b"{'a': 1}", "The body is not valid JSON: "),
        (b'{"a":NaN}', "The body is not valid JSON: "),
        (b'{"a":"\xff"}', "The body is not valid JSON: "),
        (b'{"a":"\\ud800"}', "The body is not valid JSON: "),
        (b"[1]", "The body must be a JSON object, not an array."),
        (b'"x"', "The body must be a JSON object, not a string."),
        (b"null", "The body must be a JSON object, not null."),
        (b"true", "The body must be a JSON object, not a boolean."),
        (b"5", "The body must be a JSON object, not a number."),
        (nested(65), "The body is nested deeper than 64 levels."),
        (nested(65, b'{"a":', b"}"), "The body is nested deeper than 64 levels."),
    ],
)
async def test_a_body_that_is_no_json_object_is_a_400(
    client: httpx2.AsyncClient, body: bytes, complaint: str
) -> None:
    answer = await client.post("/body", content=body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["message"].startswith(complaint)
    assert (error["type"], error["param"]) == ("invalid_request_error", None)
    assert error["code"] == "invalid_json"


async def test_ten_thousand_levels_are_a_400(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/body", content=nested(10_000))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("body", [nested(64), nested(64, b'{"a":', b"}"), b"{}", b' {"a":1}\n'])
async def test_a_body_within_the_limits_is_read(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post("/body", content=body)
    assert answer.status_code == 200
    assert answer.content == body.strip()


async def test_brackets_in_text_are_no_nesting(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/body", json={"text": "[{" * 500})
    assert answer.status_code == 200


async def test_many_siblings_are_no_nesting(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/body", json={"list": [[1]] * 500})
    assert answer.status_code == 200


async def test_a_body_that_says_it_is_too_large_is_not_read(client: httpx2.AsyncClient) -> None:
    answer = await client.post(
        "/body", content=in_pieces(b"{}"), headers={"content-length": "200001"}
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"


async def test_a_body_that_turns_out_too_large_is_cut(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/body", content=in_pieces(b'{"a":"', b"x" * 200_000, b'"}'))
    error = answer.json()["error"]
    assert answer.status_code == 413
    assert "LOCALAI_MAX_BODY_MIB" in error["message"]


async def test_a_body_of_exactly_the_limit_is_read(client: httpx2.AsyncClient) -> None:
    body = b'{"a":"' + b"x" * (200_000 - 8) + b'"}'
    assert (await client.post("/body", content=in_pieces(body))).status_code == 200


async def test_a_body_in_pieces_is_put_together(client: httpx2.AsyncClient) -> None:
    whole = '{"a":"日本 🎉"}'.encode()
    pieces = [whole[i : i + 1] for i in range(len(whole))]
    assert (await client.post("/body", content=in_pieces(*pieces))).json() == {"a": "日本 🎉"}


async def test_an_unknown_route_is_a_404_in_the_envelope(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "error": {
            "message": "There is no GET /nowhere here.",
            "type": "invalid_request_error",
            "param": None,
            "code": "unknown_url",
        }
    }


async def test_a_wrong_method_is_a_405_that_names_the_right_one(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.get("/body")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert "use POST" in answer.json()["error"]["message"]


async def test_a_typed_error_keeps_status_details_and_retry_after(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.get("/refuse")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
    assert "x-should-retry" not in answer.headers
    assert answer.json() == {
        "error": {
            "message": "Full.",
            "type": "rate_limit_error",
            "param": None,
            "code": "queue_full",
            "waiting": 3,
        }
    }


async def test_an_unknown_exception_leaves_in_the_envelope(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/divide")
    error = answer.json()["error"]
    assert answer.status_code == 500
    assert answer.headers["x-should-retry"] == "false"
    assert (error["type"], error["code"]) == ("server_error", "engine_failed")
    assert "ZeroDivisionError" in error["message"]


class Connection:
    """The receiving end of an ASGI connection that a test can close."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    def close(self) -> None:
        self._closed.set()

    async def receive(self) -> Message:
        await self._closed.wait()
        return {"type": "http.disconnect"}


async def test_a_caller_that_stays_lets_the_block_end() -> None:
    done = []
    async with watch_caller(Connection().receive):
        await asyncio.sleep(0)
        done.append(True)
    assert done


async def test_a_caller_that_leaves_cancels_the_block() -> None:
    connection = Connection()

    async def answer() -> None:
        async with watch_caller(connection.receive):
            connection.close()
            await asyncio.Event().wait()

    with pytest.raises(CallerGone):
        await answer()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancel_from_elsewhere_stays_a_cancel() -> None:
    started = asyncio.Event()

    async def answer() -> None:
        async with watch_caller(Connection().receive):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(answer())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_block_goes_through() -> None:
    async def answer() -> None:
        async with watch_caller(Connection().receive):
            raise LookupError

    with pytest.raises(LookupError):
        await answer()
