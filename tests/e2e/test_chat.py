from __future__ import annotations

import json
import time
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.e2e.sdk import said, strict, text_of

UNICODE = (
    "Grüße 👩‍👩‍👧 🇨🇭 🎉🎊 日本語のテキスト 한국어 العربية ﷺ \U0001f9d1\U0001f3fd\u200d\U0001f680 ñ"
)


def test_a_whole_answer(client: openai.OpenAI) -> None:
    answer = strict(client.chat.completions.create(model="echo", messages=said("Hello you")))
    [choice] = answer.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)
    assert (choice.message.role, choice.message.content) == ("assistant", "Hello you")
    assert choice.message.refusal is None
    assert choice.message.tool_calls is None
    assert (answer.object, answer.model) == ("chat.completion", "echo")
    assert answer.id.startswith("chatcmpl-")
    assert abs(answer.created - time.time()) < 60
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 2)
    assert answer.usage.total_tokens == 4


async def test_a_whole_answer_awaited(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.create(model="gpt-4", messages=said("Hello you"))
    assert strict(answer).choices[0].message.content == "Hello you"
    assert answer.model == "echo"


def test_a_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="echo", messages=said("a b c"), stream=True)
    chunks = list(stream)
    assert text_of(chunks) == "a b c"
    assert [c.choices[0].finish_reason for c in chunks] == [None] * 4 + ["stop"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].delta.content is None
    assert len({(c.id, c.created, c.model) for c in chunks}) == 1
    assert all(c.usage is None for c in chunks)


async def test_a_stream_awaited(async_client: openai.AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(
        model="echo", messages=said("a b c"), stream=True
    )
    assert text_of([chunk async for chunk in stream]) == "a b c"


def test_a_stream_with_usage(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="echo", messages=said("a b c"), stream=True,
            stream_options={"include_usage": True},
        )
    )  # fmt: skip
    *others, last = chunks
    assert all(chunk.usage is None for chunk in others)
    assert strict(last).choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 3


def test_the_streams_text_is_that_of_the_whole_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="echo", messages=said(UNICODE), seed=1)
    chunks = list(
        client.chat.completions.create(model="echo", messages=said(UNICODE), seed=1, stream=True)
    )
    assert whole.choices[0].message.content == text_of(chunks) == UNICODE
    assert len(chunks) > 8
    assert not any("�" in chunk.to_json() for chunk in chunks)


async def test_unicode_awaited(async_client: openai.AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(
        model="echo", messages=said(UNICODE), stream=True
    )
    assert text_of([chunk async for chunk in stream]) == UNICODE


def test_with_raw_response(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="echo", messages=said("a"), extra_headers={"x-request-id": "trace-1"},
        extra_body={"zebra": 1},
    )  # fmt: skip
    answer = raw.parse()
    assert raw.status_code == 200
    assert raw.headers["x-localai-ignored"] == "zebra"
    assert raw.request_id == answer._request_id == "trace-1"
    assert answer.choices[0].message.content == "a"


async def test_with_raw_response_awaited(async_client: openai.AsyncOpenAI) -> None:
    raw = await async_client.chat.completions.with_raw_response.create(
        model="echo", messages=said("a")
    )
    assert raw.parse().choices[0].message.content == "a"
    assert (raw.request_id or "").startswith("req_")


def test_with_streaming_response(client: openai.OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(
        model="echo", messages=said("a b"), stream=True
    ) as raw:
        lines = [line for line in raw.iter_lines() if line]
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines)


async def test_with_streaming_response_awaited(async_client: openai.AsyncOpenAI) -> None:
    async with async_client.chat.completions.with_streaming_response.create(
        model="echo", messages=said("a b")
    ) as raw:
        answer = await raw.parse()
    assert answer.choices[0].message.content == "a b"


def test_the_stream_helper_gathers_the_answer(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="echo", messages=said("a b c"), stream_options={"include_usage": True}
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == "a b c"
    assert final.choices[0].message.content == "a b c"
    assert final.usage is not None
    assert final.usage.total_tokens == 6


def test_three_answers(client: openai.OpenAI) -> None:
    answer = strict(client.chat.completions.create(model="echo", messages=said("a b"), n=3))
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert {choice.message.content for choice in answer.choices} == {"a b"}
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 6)


def test_three_answers_in_a_stream(client: openai.OpenAI) -> None:
    texts = dict.fromkeys(range(3), "")
    reasons: dict[int, str] = {}
    opened = []
    chunks = client.chat.completions.create(model="echo", messages=said("a b"), n=3, stream=True)
    for chunk in chunks:
        [choice] = strict(chunk).choices
        texts[choice.index] += choice.delta.content or ""
        if choice.delta.role:
            opened.append(choice.index)
        if choice.finish_reason:
            assert choice.index not in reasons
            reasons[choice.index] = choice.finish_reason
    assert texts == dict.fromkeys(range(3), "a b")
    assert reasons == dict.fromkeys(range(3), "stop")
    assert sorted(opened) == [0, 1, 2]


@pytest.mark.parametrize(
    ("stop", "text"),
    [("three", "one two "), (["two", "three"], "one "), ("zebra", "one two three four")],
)
@pytest.mark.parametrize("stream", [False, True])
def test_stop_strings_end_the_text_before_them(
    client: openai.OpenAI, stop: str | list[str], text: str, stream: bool
) -> None:
    answer, reason = finished(client, "one two three four", stream, stop=stop)
    assert (answer, reason) == (text, "stop")


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("most", "text", "reason"),
    [(0, "", "length"), (2, "a b", "length"), (3, "a b c", "stop"), (4, "a b c", "stop")],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_of_tokens_ends_with_length(
    client: openai.OpenAI, limit: str, most: int, text: str, reason: str, stream: bool
) -> None:
    assert finished(client, "a b c", stream, **{limit: most}) == (text, reason)


def finished(client: openai.OpenAI, content: str, stream: bool, **fields: Any) -> tuple[str, str]:
    """Return text and finish reason of an answer."""
    if stream:
        chunks = list(
            client.chat.completions.create(
                model="echo", messages=said(content), stream=True, **fields
            )
        )
        return text_of(chunks), str(chunks[-1].choices[0].finish_reason)
    answer = client.chat.completions.create(model="echo", messages=said(content), **fields)
    [choice] = strict(answer).choices
    return str(choice.message.content), choice.finish_reason


def test_logprobs_cover_the_text(client: openai.OpenAI) -> None:
    answer = strict(
        client.chat.completions.create(
            model="echo", messages=said("über 日本 🎉"), logprobs=True, top_logprobs=2
        )
    )
    [choice] = answer.choices
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert "".join(entry.token for entry in choice.logprobs.content) == choice.message.content
    for entry in choice.logprobs.content:
        assert bytes(entry.bytes or []).decode() == entry.token
        assert 1 <= len(entry.top_logprobs) <= 2
        assert entry.logprob <= 0


def test_logprobs_of_a_stream_cover_the_text(client: openai.OpenAI) -> None:
    chunks = client.chat.completions.create(
        model="echo", messages=said("a b c"), logprobs=True, stream=True
    )
    with_text = [c.choices[0] for c in chunks if strict(c).choices[0].delta.content]
    for choice in with_text:
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        assert "".join(entry.token for entry in choice.logprobs.content) == choice.delta.content
    assert len(with_text) == 3


def test_json_object(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="echo", messages=said('say "hi"'), response_format={"type": "json_object"}
    )
    assert json.loads(answer.choices[0].message.content or "") == {"echo": 'say "hi"'}


def test_parts_of_a_message_are_read(client: openai.OpenAI) -> None:
    parts = client.chat.completions.create(
        model="echo",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "first"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "second"}, {"type": "text", "text": "third"}],
            },
        ],
    )
    assert parts.choices[0].message.content == "second\nthird"


def test_chunks_name_no_fingerprint(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="echo", messages=said("a"), stream=True)
    chunks: list[ChatCompletionChunk] = list(stream)
    assert all("system_fingerprint" not in chunk.model_fields_set for chunk in chunks)
