from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

import pytest

from localai.protocol.events import Event, Finished, TextDelta, ToolCallDelta, Usage
from localai.worker.shapes import ChatShape, CompletionShape, Shape

USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "total_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
HELLO: list[Event] = [TextDelta("Hello"), TextDelta(" you"), Finished("stop"), Usage(3, 2, 1)]
OPENING = {"role": "assistant", "content": "", "refusal": None}


def entry(token: str, *tops: str) -> dict[str, Any]:
    top = [{"token": t, "logprob": -1.5, "bytes": list(t.encode())} for t in tops]
    return {"token": token, "logprob": -0.5, "bytes": list(token.encode()), "top_logprobs": top}


def answer(shape: Shape, events: Iterable[Event]) -> dict[str, Any]:
    """Return the whole answer without what differs from call to call."""
    for event in events:
        shape.collect(event)
    return normal(shape, shape.answer())


def stream(shape: Shape, events: Iterable[Event]) -> list[dict[str, Any]]:
    return [normal(shape, chunk) for event in events for chunk in shape.chunks(event)]


def normal(shape: Shape, payload: dict[str, Any]) -> dict[str, Any]:
    assert payload["id"] == shape.id
    assert payload["created"] == shape.created
    return {key: value for key, value in payload.items() if key not in ("id", "created")}


def chat(*, with_usage: bool = False) -> ChatShape:
    return ChatShape("m", with_usage=with_usage)


def completion(*, with_usage: bool = False) -> CompletionShape:
    return CompletionShape("m", with_usage=with_usage)


def chat_chunk(
    delta: dict[str, Any],
    index: int = 0,
    reason: str | None = None,
    logprobs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
    return {"object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def text_choice(
    text: str,
    index: int = 0,
    reason: str | None = None,
    logprobs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}


def text_chunk(choice: dict[str, Any]) -> dict[str, Any]:
    return {"object": "text_completion", "model": "m", "choices": [choice]}


@pytest.mark.parametrize(("kind", "prefix"), [(ChatShape, "chatcmpl-"), (CompletionShape, "cmpl-")])
def test_each_answer_has_an_id_of_its_own(
    kind: type[ChatShape] | type[CompletionShape], prefix: str
) -> None:
    ids = {kind("m", with_usage=False).id for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(rf"{prefix}[\w-]{{20,}}", one) for one in ids)


def test_created_is_now_in_whole_seconds() -> None:
    created = chat().created
    assert isinstance(created, int)
    assert abs(created - time.time()) < 5


def test_a_whole_chat_answer() -> None:
    assert answer(chat(), HELLO) == {
        "object": "chat.completion",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello you",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }


def test_a_streamed_chat_answer() -> None:
    assert stream(chat(), HELLO) == [
        chat_chunk(OPENING),
        chat_chunk({"content": "Hello"}),
        chat_chunk({"content": " you"}),
        chat_chunk({}, reason="stop"),
    ]


def test_a_streamed_chat_answer_with_usage() -> None:
    chunks = stream(chat(with_usage=True), HELLO)
    assert chunks == [
        chat_chunk(OPENING) | {"usage": None},
        chat_chunk({"content": "Hello"}) | {"usage": None},
        chat_chunk({"content": " you"}) | {"usage": None},
        chat_chunk({}, reason="stop") | {"usage": None},
        {"object": "chat.completion.chunk", "model": "m", "choices": [], "usage": USAGE},
    ]


def test_an_answer_without_text_still_opens_and_ends() -> None:
    events: list[Event] = [Finished("length"), Usage(3, 0)]
    assert stream(chat(), events) == [chat_chunk(OPENING), chat_chunk({}, reason="length")]
    message = answer(chat(), events)["choices"][0]["message"]
    assert message["content"] == ""


def test_each_choice_of_a_chat_stream_opens_once() -> None:
    events: list[Event] = [
        TextDelta("a", 0),
        TextDelta("x", 1),
        TextDelta("b", 0),
        Finished("stop", 1),
        Finished("length", 0),
    ]
    assert stream(chat(), events) == [
        chat_chunk(OPENING, 0),
        chat_chunk({"content": "a"}, 0),
        chat_chunk(OPENING, 1),
        chat_chunk({"content": "x"}, 1),
        chat_chunk({"content": "b"}, 0),
        chat_chunk({}, 1, "stop"),
        chat_chunk({}, 0, "length"),
    ]


def test_choices_of_a_whole_answer_are_in_order() -> None:
    events: list[Event] = [
        TextDelta("x", 1),
        Finished("stop", 1),
        TextDelta("a", 0),
        Finished("length", 0),
    ]
    choices = answer(chat(), events)["choices"]
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in choices] == [
        (0, "a", "length"),
        (1, "x", "stop"),
    ]


CALLS: list[Event] = [
    ToolCallDelta(0, "", "call_a", "look"),
    ToolCallDelta(0, '{"city":'),
    ToolCallDelta(0, '"Bern"}'),
    ToolCallDelta(1, "{}", "call_b", "ring"),
    Finished("tool_calls"),
]


def test_tool_calls_of_a_whole_answer() -> None:
    choice = answer(chat(), CALLS)["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "tool_calls": [
            {
                "id": "call_a",
                "type": "function",
                "function": {"name": "look", "arguments": '{"city":"Bern"}'},
            },
            {"id": "call_b", "type": "function", "function": {"name": "ring", "arguments": "{}"}},
        ],
    }


def test_tool_calls_of_a_stream() -> None:
    def call(index: int, **delta: Any) -> dict[str, Any]:
        return chat_chunk({"tool_calls": [{"index": index, **delta}]})

    assert stream(chat(), CALLS) == [
        chat_chunk(OPENING),
        call(0, function={"name": "look", "arguments": ""}, id="call_a", type="function"),
        call(0, function={"arguments": '{"city":'}),
        call(0, function={"arguments": '"Bern"}'}),
        call(1, function={"name": "ring", "arguments": "{}"}, id="call_b", type="function"),
        chat_chunk({}, reason="tool_calls"),
    ]


def test_text_before_a_tool_call_is_kept() -> None:
    message = answer(chat(), [TextDelta("Let me look."), *CALLS])["choices"][0]["message"]
    assert message["content"] == "Let me look."
    assert len(message["tool_calls"]) == 2


def test_logprobs_of_a_chat() -> None:
    events: list[Event] = [
        TextDelta("Hel", logprobs=[entry("Hel", "Hel", "Hal")]),
        TextDelta("lo!", logprobs=[entry("lo"), entry("!")]),
        Finished("stop"),
    ]
    assert answer(chat(), events)["choices"][0]["logprobs"] == {
        "content": [entry("Hel", "Hel", "Hal"), entry("lo"), entry("!")],
        "refusal": None,
    }
    assert stream(chat(), events) == [
        chat_chunk(OPENING),
        chat_chunk(
            {"content": "Hel"},
            logprobs={"content": [entry("Hel", "Hel", "Hal")], "refusal": None},
        ),
        chat_chunk(
            {"content": "lo!"}, logprobs={"content": [entry("lo"), entry("!")], "refusal": None}
        ),
        chat_chunk({}, reason="stop"),
    ]


def test_a_whole_completion() -> None:
    assert answer(completion(), HELLO) == {
        "object": "text_completion",
        "model": "m",
        "choices": [text_choice("Hello you", reason="stop")],
        "usage": USAGE,
    }


def test_a_streamed_completion() -> None:
    assert stream(completion(), HELLO) == [
        text_chunk(text_choice("Hello")),
        text_chunk(text_choice(" you")),
        text_chunk(text_choice("", reason="stop")),
    ]


def test_a_streamed_completion_with_usage() -> None:
    assert stream(completion(with_usage=True), HELLO) == [
        text_chunk(text_choice("Hello")) | {"usage": None},
        text_chunk(text_choice(" you")) | {"usage": None},
        text_chunk(text_choice("", reason="stop")) | {"usage": None},
        {"object": "text_completion", "model": "m", "choices": [], "usage": USAGE},
    ]


def test_choices_of_several_prompts() -> None:
    events: list[Event] = [
        TextDelta("a", 0),
        Finished("stop", 0),
        TextDelta("b", 1),
        Finished("length", 1),
    ]
    assert answer(completion(), events)["choices"] == [
        text_choice("a", 0, "stop"),
        text_choice("b", 1, "length"),
    ]
    assert stream(completion(), events) == [
        text_chunk(text_choice("a", 0)),
        text_chunk(text_choice("", 0, "stop")),
        text_chunk(text_choice("b", 1)),
        text_chunk(text_choice("", 1, "length")),
    ]


def test_logprobs_of_a_completion_count_characters() -> None:
    events: list[Event] = [
        TextDelta("日本", logprobs=[entry("日", "日", "月"), entry("本")]),
        TextDelta("!", logprobs=[entry("!")]),
        TextDelta("x", 1, logprobs=[entry("x")]),
        Finished("stop"),
    ]
    assert answer(completion(), events)["choices"][0]["logprobs"] == {
        "tokens": ["日", "本", "!"],
        "token_logprobs": [-0.5, -0.5, -0.5],
        "top_logprobs": [{"日": -1.5, "月": -1.5}, {}, {}],
        "text_offset": [0, 1, 2],
    }
    chunks = stream(completion(), events)
    offsets = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert [one["text_offset"] for one in offsets if one] == [[0, 1], [2], [0]]
    assert offsets[-1] is None


@pytest.mark.parametrize("events", [HELLO, CALLS])
def test_no_chat_payload_says_a_fingerprint(events: list[Event]) -> None:
    payloads = [answer(chat(), events), *stream(chat(with_usage=True), events)]
    assert all("system_fingerprint" not in payload for payload in payloads)
