from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.echo_gateway import echo_gateway
from tests.gateways import RunningGateway
from tests.wire.raw import ask, chat, connection, read_answer, request_bytes

CHAT = "/v1/chat/completions"
SAID = [{"role": "user", "content": "a"}]
ROUTES = [CHAT, "/v1/completions"]


def nested(depth: int) -> bytes:
    value = b"[" * (depth - 1) + b"]" * (depth - 1)
    return b'{"messages":[{"role":"user","content":"a"}],"prompt":"a","x":' + value + b"}"


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b'"text"',
        b"5",
        b'{"messages":',
        b'{"messages": [NaN]}',
        b'{"model":"\xff\xfe"}',
        b'{"model":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"messages=hello&model=echo",
        nested(65),
        nested(10_000),
        b"[" * 100_000,
        b"\x00",
    ],
)
def test_a_body_that_is_no_json_object_is_a_400(
    gateway: RunningGateway, path: str, body: bytes
) -> None:
    answer = ask(gateway, "POST", path, body)
    assert (answer.status, answer.error()["code"]) == (400, "invalid_json")


def test_64_levels_are_fine(gateway: RunningGateway) -> None:
    assert ask(gateway, "POST", CHAT, nested(64)).status == 200


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "messages", "missing_required_parameter"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": None}, "messages", "invalid_value"),
        ({"messages": SAID, "temperature": 3}, "temperature", "invalid_value"),
        ({"messages": SAID, "n": 10**30}, "n", "invalid_value"),
        ({"messages": SAID, "seed": 10**30}, "seed", "invalid_value"),
        ({"messages": SAID, "model": 5}, "model", "invalid_value"),
        ({"messages": SAID, "stop": list("abcde")}, "stop", "invalid_value"),
        ({"messages": [{"role": "x", "content": "a"}]}, "messages[0].role", "invalid_value"),
        ({"messages": SAID, "top_logprobs": 21, "logprobs": True}, "top_logprobs", "invalid_value"),
        ({"messages": SAID, "tools": [{}]}, "tools[0]", "invalid_value"),
        ({"messages": SAID, "tool_choice": {"function": 1}}, "tool_choice", "invalid_value"),
        ({"messages": SAID, "response_format": {}}, "response_format", "invalid_value"),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it(
    gateway: RunningGateway, body: dict[str, Any], param: str, code: str
) -> None:
    answer = ask(gateway, "POST", CHAT, json.dumps(body).encode())
    error = answer.error()
    assert answer.status == 400
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "custom", "custom": {"name": "x"}}], "tool_choice": "required"},
        {"tools": [{"type": "custom"}]},
        {"tool_choice": {"type": "allowed_tools"}},
        {"tool_choice": {"type": "function", "function": {"name": "nobody"}}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "#/no"}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "#"}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"enum": []}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 5}}}},
    ],
)
def test_what_no_model_could_do_is_a_400(gateway: RunningGateway, fields: dict[str, Any]) -> None:
    answer = chat(gateway, "a", **fields)
    assert (answer.status, answer.error()["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("kind", ["", "content-type: text/plain\r\n", "content-type: x/y\r\n"])
def test_the_content_type_does_not_matter(gateway: RunningGateway, kind: str) -> None:
    body = json.dumps({"messages": SAID}).encode()
    assert ask(gateway, "POST", CHAT, body, kind).status == 200


def test_a_chunked_body_is_read(gateway: RunningGateway) -> None:
    body = json.dumps({"messages": SAID}).encode()
    pieces = b"".join(b"%x\r\n%b\r\n" % (1, body[i : i + 1]) for i in range(len(body)))
    answer = ask(gateway, "POST", CHAT, pieces + b"0\r\n\r\n", "transfer-encoding: chunked\r\n")
    assert answer.status == 200


def test_a_caller_that_waits_for_100_continue_gets_it(gateway: RunningGateway) -> None:
    body = json.dumps({"messages": SAID}).encode()
    headers = f"expect: 100-continue\r\ncontent-length: {len(body)}\r\n"
    with connection(gateway) as sock:
        sock.sendall(request_bytes("POST", CHAT, b"", headers))
        assert sock.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(body)
        assert read_answer(sock).status == 200


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with echo_gateway(tmp_path_factory.mktemp("small"), max_body_mib=1 / 64) as gateway:
        yield gateway


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(
    small: RunningGateway,
) -> None:
    with connection(small) as sock:
        sock.sendall(request_bytes("POST", CHAT, b"", "content-length: 20000\r\n"))
        answer = read_answer(sock)
    assert (answer.status, answer.error()["code"]) == (413, "request_too_large")
    assert "larger than 0.015625 MiB; raise LOCALAI_MAX_BODY_MIB" in answer.error()["message"]


def test_a_chunked_body_that_turns_out_too_large_is_refused(small: RunningGateway) -> None:
    piece = b"%x\r\n%b\r\n" % (1000, b" " * 1000)
    with connection(small) as sock:
        sock.sendall(request_bytes("POST", CHAT, piece * 20, "transfer-encoding: chunked\r\n"))
        answer = read_answer(sock)
    assert (answer.status, answer.error()["code"]) == (413, "request_too_large")


def test_a_body_below_the_limit_is_read(small: RunningGateway) -> None:
    text = "x" * 16_000
    answer = chat(small, text)
    assert answer.json()["choices"][0]["message"]["content"] == text


def test_the_gateway_serves_on_after_a_refused_body(small: RunningGateway) -> None:
    assert ask(small, "POST", CHAT, b" " * 20_000).status == 413
    assert chat(small, "a").status == 200
