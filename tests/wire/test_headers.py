from __future__ import annotations

import re

import pytest

from tests.gateways import RunningGateway
from tests.wire.raw import ask, chat, post

MESSAGES = [{"role": "user", "content": "a b"}]


def test_headers_of_a_whole_answer(gateway: RunningGateway) -> None:
    answer = chat(gateway, "a b")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert set(answer.headers) == {"date", "content-type", "content-length", "x-request-id"}


def test_headers_of_a_stream(gateway: RunningGateway) -> None:
    answer = chat(gateway, "a b", stream=True)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/nowhere", "/v1/chat/completions"])
def test_every_answer_has_a_request_id(gateway: RunningGateway, path: str) -> None:
    ids = {ask(gateway, "GET", path).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(re.fullmatch("req_[0-9a-f]{24}", one) for one in ids)


@pytest.mark.parametrize("stream", [False, True])
def test_the_callers_request_id_comes_back(gateway: RunningGateway, stream: bool) -> None:
    answer = post(
        gateway, "/v1/chat/completions", "X-Request-Id: trace-42\r\n",
        messages=MESSAGES, stream=stream,
    )  # fmt: skip
    assert answer.headers["x-request-id"] == "trace-42"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_unknown_fields_are_named(gateway: RunningGateway, path: str, stream: bool) -> None:
    answer = post(
        gateway, path, messages=MESSAGES, prompt="a", stream=stream, zebra=None, apple=[1]
    )
    assert answer.status == 200
    other = "prompt" if "chat" in path else "messages"
    assert answer.headers["x-localai-ignored"] == ", ".join(sorted(["apple", other]))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "shown"),
    [("größe", "gr%C3%B6%C3%9Fe"), ("a\r\nx-evil: 1", "a%0D%0Ax-evil:%201"), ("日", "%E6%97%A5")],
)
def test_odd_names_of_unknown_fields_are_escaped(
    gateway: RunningGateway, name: str, shown: str, stream: bool
) -> None:
    answer = chat(gateway, "a", stream=stream, **{name: 1})
    assert answer.status == 200
    assert answer.headers["x-localai-ignored"] == shown
    assert "x-evil" not in answer.headers


def test_nothing_ignored_means_no_header(gateway: RunningGateway) -> None:
    answer = chat(gateway, "a", temperature=0.5, user="me", metadata={"a": "b"})
    assert "x-localai-ignored" not in answer.headers


def test_a_refusal_for_lack_of_room_says_when_to_come_back(gateway: RunningGateway) -> None:
    url = f"{gateway.url}/v1/chat/completions"
    slow = {"model": "narrow", "stream": True}
    slow |= {"messages": [{"role": "user", "content": "[[slow=0.05]] [[words=10000]] a"}]}
    with gateway.http.stream("POST", url, json=slow) as running:
        lines = running.iter_lines()
        assert next(lines)
        answer = chat(gateway, "b", model="narrow")
    assert answer.status == 429
    assert answer.headers["retry-after"] == "1"
    assert (answer.error()["type"], answer.error()["code"]) == ("rate_limit_error", "queue_full")
