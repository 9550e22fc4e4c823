"""Whole answers, byte by byte; ids and times are made the same before."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.gateways import RunningGateway
from tests.wire.raw import Answer, chat, normal, post

_DETAILS = (
    '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
    '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}'
)
USAGE = f'{{"prompt_tokens":3,"completion_tokens":3,"total_tokens":6,{_DETAILS}}}'
CHAT = '"id":"chatcmpl-ID","object":"chat.completion.chunk","created":0,"model":"echo"'
TEXT = '"id":"cmpl-ID","object":"text_completion","created":0,"model":"echo"'


def chat_chunk(delta: str, reason: str = "null", extra: str = "") -> str:
    choice = f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}'
    return f'data: {{{CHAT},"choices":[{choice}]{extra}}}\n\n'


def text_chunk(text: str, reason: str = "null", extra: str = "") -> str:
    choice = f'{{"index":0,"text":"{text}","logprobs":null,"finish_reason":{reason}}}'
    return f'data: {{{TEXT},"choices":[{choice}]{extra}}}\n\n'


def chat_stream(extra: str = "", usage: str = "") -> str:
    return (
        chat_chunk('{"role":"assistant","content":"","refusal":null}', extra=extra)
        + chat_chunk('{"content":"hello"}', extra=extra)
        + chat_chunk('{"content":" 🌍"}', extra=extra)
        + chat_chunk('{"content":" 世界"}', extra=extra)
        + chat_chunk("{}", '"stop"', extra=extra)
        + usage
        + "data: [DONE]\n\n"
    )


def complete(gateway: RunningGateway, prompt: str, **fields: Any) -> Answer:
    return post(gateway, "/v1/completions", prompt=prompt, **fields)


def test_a_whole_chat_answer(gateway: RunningGateway) -> None:
    assert normal(chat(gateway, "hello 🌍 世界").text) == (
        '{"id":"chatcmpl-ID","object":"chat.completion","created":0,"model":"echo","choices":['
        '{"index":0,"message":{"role":"assistant","content":"hello 🌍 世界","refusal":null,'
        '"annotations":[]},"logprobs":null,"finish_reason":"stop"}],'
        f'"usage":{USAGE}}}'
    )


def test_a_streamed_chat_answer(gateway: RunningGateway) -> None:
    assert normal(chat(gateway, "hello 🌍 世界", stream=True).text) == chat_stream()


def test_a_streamed_chat_answer_with_usage(gateway: RunningGateway) -> None:
    answer = chat(gateway, "hello 🌍 世界", stream=True, stream_options={"include_usage": True})
    assert normal(answer.text) == chat_stream(
        ',"usage":null', f'data: {{{CHAT},"choices":[],"usage":{USAGE}}}\n\n'
    )


def test_include_usage_false_leaves_usage_out(gateway: RunningGateway) -> None:
    answer = chat(gateway, "hello 🌍 世界", stream=True, stream_options={"include_usage": False})
    assert normal(answer.text) == chat_stream()


def test_a_whole_completion(gateway: RunningGateway) -> None:
    assert normal(complete(gateway, "one two three").text) == (
        f'{{{TEXT},"choices":[{{"index":0,"text":"one two three","logprobs":null,'
        f'"finish_reason":"stop"}}],"usage":{USAGE}}}'
    )


def test_a_streamed_completion(gateway: RunningGateway) -> None:
    assert normal(complete(gateway, "one two", stream=True).text) == (
        text_chunk("one") + text_chunk(" two") + text_chunk("", '"stop"') + "data: [DONE]\n\n"
    )


def test_a_streamed_completion_with_usage(gateway: RunningGateway) -> None:
    answer = complete(gateway, "one two three", stream=True, stream_options={"include_usage": True})
    extra = ',"usage":null'
    assert normal(answer.text) == (
        text_chunk("one", extra=extra)
        + text_chunk(" two", extra=extra)
        + text_chunk(" three", extra=extra)
        + text_chunk("", '"stop"', extra)
        + f'data: {{{TEXT},"choices":[],"usage":{USAGE}}}\n\n'
        + "data: [DONE]\n\n"
    )


def test_a_failure_after_the_first_byte_is_the_last_frame(gateway: RunningGateway) -> None:
    answer = chat(gateway, "[[fail=mid]] one two three four", stream=True)
    assert answer.status == 200
    assert normal(answer.text) == (
        chat_chunk('{"role":"assistant","content":"","refusal":null}')
        + chat_chunk('{"content":"one"}')
        + chat_chunk('{"content":" two"}')
        + chat_chunk('{"content":" three"}')
        + 'data: {"error":{"message":"echo was asked to fail (mid).","type":"server_error",'
        '"param":null,"code":"echo_fail_mid"}}\n\n'
    )


def test_a_failure_before_the_first_byte_keeps_its_status(gateway: RunningGateway) -> None:
    answer = chat(gateway, "[[fail=before]] one", stream=True)
    assert answer.status == 500
    assert answer.headers["x-should-retry"] == "false"
    assert answer.text == (
        '{"error":{"message":"echo was asked to fail (before).","type":"server_error",'
        '"param":null,"code":"echo_fail_before"}}'
    )


@pytest.mark.parametrize(("kind", "prefix"), [("chat", "chatcmpl-"), ("text", "cmpl-")])
def test_a_stream_has_one_id_and_one_time(gateway: RunningGateway, kind: str, prefix: str) -> None:
    ask = chat if kind == "chat" else complete
    answers = [ask(gateway, "one two three", stream=True) for _ in range(2)]
    ids = []
    for answer in answers:
        *chunks, done = answer.frames()
        assert done == "[DONE]"
        heads = {(c["id"], c["created"], c["model"]) for c in map(json.loads, chunks)}
        [(one_id, created, model)] = heads
        assert one_id.startswith(prefix)
        assert abs(created - time.time()) < 60
        assert model == "echo"
        ids.append(one_id)
    assert ids[0] != ids[1]


def test_a_stream_says_what_the_whole_answer_says(gateway: RunningGateway) -> None:
    text = 'Ünïcödé 🎉🎊 日本語\n\nnew  paragraph\ttab "quotes" \\ [DONE] data: x'
    whole = chat(gateway, text).json()["choices"][0]["message"]["content"]
    *chunks, _ = chat(gateway, text, stream=True).frames()
    deltas = [json.loads(chunk)["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content", "") for delta in deltas) == whole == text


def test_each_frame_is_sent_when_it_is_made(gateway: RunningGateway) -> None:
    answer = chat(gateway, "[[slow=1]] one two three", stream=True)
    with_text = [chunk for chunk in answer.chunks if b'"content":" ' in chunk]
    assert len(with_text) == 2
    assert all(chunk.endswith(b"\n\n") for chunk in answer.chunks)


@pytest.mark.parametrize("stream", [False, True])
def test_no_fingerprint_is_sent(gateway: RunningGateway, stream: bool) -> None:
    assert "system_fingerprint" not in chat(gateway, "x", stream=stream).text


def test_the_books_comment_never_reaches_the_caller(gateway: RunningGateway) -> None:
    body = {"messages": [{"role": "user", "content": "a b"}], "stream": True}
    answer = post(gateway, "/v1/chat/completions", "x-localai-usage: 1\r\n", **body)
    assert "usage" not in answer.text
