from __future__ import annotations

import logging
import re

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from localai.api.records import Record, RequestRecords, record_of
from localai.errors import QueueFull
from localai.protocol.asgi import CLIENT_GONE


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    record = record_of(scope)
    record.model, record.usage = "m", (3, 5)
    await PlainTextResponse("ok")(scope, receive, send)


async def say_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    record_of(scope).status = CLIENT_GONE


async def fail_early(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError("oh")


async def fail_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ZeroDivisionError("oh")


async def fail_in_the_stream(scope: Scope, receive: Receive, send: Send) -> None:
    record_of(scope).failure = QueueFull.default_code
    await PlainTextResponse("ok")(scope, receive, send)


async def ask(
    app: ASGIApp, path: str = "/v1/x", *, request_id: str | None = None
) -> tuple[httpx2.Response, list[Record]]:
    filed: list[Record] = []
    headers = {} if request_id is None else {b"x-request-id": request_id.encode()}
    transport = httpx2.ASGITransport(app=RequestRecords(app, filed.append))
    async with httpx2.AsyncClient(transport=transport, base_url="http://app") as client:
        return await client.get(path, headers=headers), filed


def access_lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "localai.access"]


async def test_a_call_makes_one_record() -> None:
    response, [record] = await ask(answer)
    assert (record.method, record.path, record.status) == ("GET", "/v1/x", 200)
    assert (record.model, record.usage) == ("m", (3, 5))
    assert record.first_byte_seconds is not None
    assert 0 <= record.first_byte_seconds <= record.seconds < 5
    assert response.headers["x-request-id"] == record.id


async def test_every_call_has_an_id_of_its_own() -> None:
    ids = {(await ask(answer))[0].headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20
    assert all(re.fullmatch("req_[0-9a-f]{24}", one) for one in ids)


@pytest.mark.parametrize("given", ["abc-123", "req_x", "0" * 128, "!~"])
async def test_the_callers_id_is_kept(given: str) -> None:
    response, [record] = await ask(answer, request_id=given)
    assert response.headers["x-request-id"] == record.id == given


@pytest.mark.parametrize("given", ["", "has space", "0" * 129, "tab\there", "ü"])
async def test_an_id_that_would_spoil_a_log_line_is_replaced(given: str) -> None:
    response, _ = await ask(answer, request_id=given)
    assert response.headers["x-request-id"].startswith("req_")


async def test_an_unknown_exception_leaves_in_the_envelope(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response, [record] = await ask(fail_early)
    assert (response.status_code, record.status) == (500, 500)
    assert response.json()["error"]["code"] == "engine_failed"
    assert response.headers["x-request-id"] == record.id
    assert "GET /v1/x failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_an_exception_after_the_status_line_goes_on_to_the_server() -> None:
    filed: list[Record] = []
    transport = httpx2.ASGITransport(app=RequestRecords(fail_late, filed.append))
    async with httpx2.AsyncClient(transport=transport, base_url="http://app") as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/v1/x")
    assert filed[0].status == 200


async def test_a_log_line_says_all_that_is_known(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await ask(answer, request_id="abc")
    [line] = access_lines(caplog)
    assert line.levelno == logging.INFO
    assert re.fullmatch(
        r"GET /v1/x 200 model=m tokens=3\+5 first=\d\.\d{3}s total=\d\.\d{3}s id=abc",
        line.getMessage(),
    )


async def test_a_log_line_keeps_the_address_of_a_generated_file(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    await ask(answer, "/generated/secret.png")
    [line] = access_lines(caplog)
    assert line.getMessage().startswith("GET /generated/… 200")


async def test_a_log_line_names_a_failure_in_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await ask(fail_in_the_stream)
    [line] = access_lines(caplog)
    assert line.getMessage().endswith("failed=queue_full")


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
async def test_probes_are_logged_at_debug(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await ask(answer, path)
    [line] = access_lines(caplog)
    assert line.levelno == logging.DEBUG


async def test_a_call_that_nobody_waited_for_is_a_499(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    filed: list[Record] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/x", "headers": []}
    await RequestRecords(say_nothing, filed.append)(scope, receive, send)
    assert filed[0].status == 499
    [line] = access_lines(caplog)
    assert line.getMessage().startswith("POST /v1/x 499 ")
