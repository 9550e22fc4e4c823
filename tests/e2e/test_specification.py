from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from tests import openai_spec
from tests.e2e.sdk import said
from tests.gateways import DEADLINE, RunningGateway

pytestmark = pytest.mark.skipif(not openai_spec.is_here(), reason=openai_spec.MISSING)

CHUNK: dict[str, Any] = {
    "id": "x",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}],
    "usage": None,
}


def test_a_right_chunk_passes() -> None:
    openai_spec.check("CreateChatCompletionStreamResponse", CHUNK)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"created": "now"}, r"\$\.created"),
        ({"object": "chat.completion"}, r"\$\.object"),
        ({"system_fingerprint": None}, r"\$\.system_fingerprint"),
        ({"choices": [{"index": 0, "delta": {}}]}, r"\$\.choices\[0\]"),
        ({"choices": [CHUNK["choices"][0] | {"finish_reason": "eos"}]}, r"\$\.choices\[0\]"),
        ({"choices": [CHUNK["choices"][0] | {"delta": {"role": "robot"}}]}, r"\.delta\.role"),
    ],
)
def test_a_wrong_chunk_is_found(change: dict[str, Any], path: str) -> None:
    with pytest.raises(AssertionError, match=path):
        openai_spec.check("CreateChatCompletionStreamResponse", CHUNK | change)


def test_frames_are_checked_wherever_the_stream_is_cut() -> None:
    request = httpx2.Request("POST", "http://app/v1/chat/completions")
    checker = openai_spec.FrameChecker(request)
    frames = b'data: {"error":{"message":"m","type":"t","param":null,"code":null}}\n\n' * 3
    for byte in frames + b"data: [DONE]\n\n":
        checker.feed(bytes([byte]))
    assert checker.checked == 3
    with pytest.raises(AssertionError, match="CreateChatCompletionStreamResponse"):
        checker.feed(b'data: {"id":5}\n\n')


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n": 2},
        {"logprobs": True, "top_logprobs": 1},
        {"max_tokens": 1},
        {"stream_options": {"include_usage": True}},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_chat_answers_conform(
    gateway: RunningGateway, stream: bool, fields: dict[str, Any]
) -> None:
    if not stream:
        fields = {name: value for name, value in fields.items() if name != "stream_options"}
    conform(gateway, "chat/completions", messages=said("a b c"), stream=stream, **fields)


@pytest.mark.parametrize("fields", [{}, {"n": 2}, {"logprobs": 1}, {"max_tokens": 1}])
@pytest.mark.parametrize("stream", [False, True])
def test_completions_conform(gateway: RunningGateway, stream: bool, fields: dict[str, Any]) -> None:
    usage = {"stream_options": {"include_usage": True}} if stream else {}
    conform(gateway, "completions", prompt=["a b c", "d"], stream=stream, **usage, **fields)


def conform(gateway: RunningGateway, path: str, **body: Any) -> None:
    with httpx2.Client(transport=openai_spec.CheckedTransport(), timeout=DEADLINE) as http:
        answer = http.post(f"{gateway.url}/v1/{path}", json=body)
    assert answer.status_code == 200, answer.text


def test_models_conform(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} >= {"echo", "org/name"}
    assert client.models.retrieve("org/name").id == "org/name"


@pytest.mark.parametrize(
    "body", [{}, {"messages": said("a"), "model": "nobody"}, {"messages": said("[[fail=before]]")}]
)
def test_errors_conform(gateway: RunningGateway, body: dict[str, Any]) -> None:
    with httpx2.Client(transport=openai_spec.CheckedTransport(), timeout=DEADLINE) as http:
        answer = http.post(f"{gateway.url}/v1/chat/completions", json=body)
    assert answer.status_code >= 400
