"""What every worker does, whatever its engine: one suite over all of them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.completion import Completion

from localai.errors import LoadFailed
from localai.pool.connection import WorkerResponse
from localai.pool.launchers.process import ProcessLauncher
from localai.protocol import sse
from tests.contract.conftest import ContractWorker, frames_of, worker_spec
from tests.gateways import DEADLINE

LONG = "say the alphabet " + "word " * 60


async def json_of(response: WorkerResponse) -> dict[str, Any]:
    return dict(orjson.loads(await response.read()))


async def until(worker: ContractWorker, name: str, value: float) -> None:
    end = time.monotonic() + DEADLINE
    while await worker.metric(name) != value:
        assert time.monotonic() < end, f"{name} never became {value}"


async def test_info_describes_the_worker(worker: ContractWorker) -> None:
    info = await worker.get("/info")
    assert info["name"] == f"contract-{worker.backend}"
    assert info["backend"] == worker.backend
    assert {"chat", "completion"} <= set(info["capabilities"])
    assert info["max_concurrent"] == 4
    assert await worker.get("/health") == {"status": "ok"}


async def test_chat_answers_in_the_strict_shape(worker: ContractWorker) -> None:
    response = await worker.chat("hello", max_tokens=8, temperature=0)
    body = await json_of(response)
    answer = ChatCompletion.model_validate(body, strict=True)
    assert answer.id.startswith("chatcmpl-")
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert body["choices"][0]["message"]["refusal"] is None
    assert body["choices"][0]["logprobs"] is None
    assert "system_fingerprint" not in body


async def test_stream_says_the_same_as_the_whole_answer(worker: ContractWorker) -> None:
    asked = {"max_tokens": 12, "temperature": 0}
    whole = await json_of(await worker.chat("hello to you", **asked))
    *chunks, done = await frames_of(await worker.chat("hello to you", stream=True, **asked))
    assert done == "[DONE]"
    parsed = [ChatCompletionChunk.model_validate_json(chunk, strict=True) for chunk in chunks]
    assert len({chunk.id for chunk in parsed}) == 1
    assert parsed[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in parsed)
    assert text == whole["choices"][0]["message"]["content"]
    reasons = [chunk.choices[0].finish_reason for chunk in parsed]
    assert reasons[-1] == whole["choices"][0]["finish_reason"]
    assert set(reasons[:-1]) == {None}
    assert json.loads(chunks[-1])["choices"][0]["delta"] == {}


async def test_usage_comes_last_and_only_when_asked(worker: ContractWorker) -> None:
    asked = {"stream": True, "max_tokens": 4}
    plain = await frames_of(await worker.chat("hello", **asked))
    assert not any("usage" in json.loads(frame) for frame in plain[:-1])
    *chunks, usage, _ = map(
        json.loads,
        [f for f in await frames_of(
            await worker.chat("hello", stream_options={"include_usage": True}, **asked)
        ) if f != "[DONE]"] + ["null"],
    )  # fmt: skip
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] <= 4
    assert all(chunk["usage"] is None for chunk in chunks)


async def test_usage_comment_is_sent_to_the_gateway_alone(worker: ContractWorker) -> None:
    body = orjson.dumps(
        {"messages": [{"role": "user", "content": "hello"}], "stream": True, "max_tokens": 4}
    )
    header = f"{sse.USAGE_HEADER}: 1\r\n".encode()
    response = await worker.client.request("POST", "/v1/chat/completions", body, header)
    frames, usage = sse.take_usage(await response.read())
    assert usage is not None
    assert usage[1] <= 4
    assert frames.endswith(sse.DONE)


async def test_completion_answers_in_the_strict_shape(worker: ContractWorker) -> None:
    body = await json_of(await worker.post("/v1/completions", prompt="one two", max_tokens=4))
    answer = Completion.model_validate(body, strict=True)
    assert answer.id.startswith("cmpl-")
    assert answer.object == "text_completion"
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 4


async def test_several_prompts_and_choices_are_numbered(worker: ContractWorker) -> None:
    response = await worker.post("/v1/completions", prompt=["a b", "c d"], n=2, max_tokens=2)
    choices = (await json_of(response))["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    assert {choice["finish_reason"] for choice in choices} <= {"stop", "length"}


async def test_answer_limit_is_kept_and_said(worker: ContractWorker) -> None:
    body = await json_of(await worker.chat(LONG, max_completion_tokens=3, temperature=0))
    assert body["usage"]["completion_tokens"] == 3
    assert body["choices"][0]["finish_reason"] == "length"


async def test_stop_string_is_never_shown(worker: ContractWorker) -> None:
    asked = {"temperature": 0, "max_tokens": 60}
    whole = (await json_of(await worker.chat(LONG, **asked)))["choices"][0]["message"]["content"]
    stop = whole[4:7]
    frames = await frames_of(await worker.chat(LONG, stop=[stop], stream=True, **asked))
    chunks = [json.loads(frame) for frame in frames[:-1]]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text == whole[: whole.index(stop)]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_caller_that_leaves_a_stream_frees_its_place(worker: ContractWorker) -> None:
    response = await worker.chat(**_endless(worker), stream=True)
    await anext(response.chunks())
    assert await worker.metric("sequences_running") >= 1
    response.close()
    await until(worker, "sequences_running", 0)
    assert await worker.metric("cancelled_total") == 1


async def test_caller_that_leaves_a_whole_answer_frees_its_place(worker: ContractWorker) -> None:
    call = asyncio.create_task(worker.chat(**_endless(worker)))
    async with asyncio.timeout(DEADLINE):
        while not await worker.metric("sequences_running"):
            pass  # each look is a call of its own
    call.cancel()
    await until(worker, "sequences_running", 0)
    assert await worker.metric("cancelled_total") == 1


def _endless(worker: ContractWorker) -> dict[str, Any]:
    """Return what keeps a worker busy for a minute, and longer on a busy machine.

    The starter model may not end an answer, which is so cut at its window, and makes many.
    """
    if worker.backend == "echo":
        return {"content": f"{LONG} [[slow=0.05]] [[words=2000]]"}
    return {"content": LONG, "logit_bias": {"2": -100}, "n": 128}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"n": 0}, "n"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
    ],
)
async def test_wrong_value_is_a_400_that_names_it(
    worker: ContractWorker, fields: dict[str, Any], param: str
) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], **fields}
    response = await worker.post("/v1/chat/completions", **body)
    error = (await json_of(response))["error"]
    assert response.status == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"].startswith(param)


async def test_unknown_field_is_named_in_a_header(worker: ContractWorker) -> None:
    response = await worker.chat("hi", max_tokens=1, flavour="mint", user="me")
    assert (b"x-localai-ignored", b"flavour") in response.headers


async def test_calls_at_the_same_time_get_their_own_answers(worker: ContractWorker) -> None:
    asked = {"temperature": 0, "max_tokens": 8}
    contents = [f"hello number {i}" for i in range(8)]
    alone = [await json_of(await worker.chat(c, **asked)) for c in contents]

    async def ask(content: str) -> dict[str, Any]:
        return await json_of(await worker.chat(content, **asked))

    together = await asyncio.gather(*map(ask, contents))
    assert [a["usage"]["completion_tokens"] for a in together] == [
        a["usage"]["completion_tokens"] for a in alone
    ]
    assert len({a["id"] for a in together}) == 8


async def test_model_file_that_is_missing_is_a_typed_failure(
    backend_name: str, runtime: Path
) -> None:
    if backend_name == "echo":
        spec = worker_spec("echo", fail="load")
    else:
        spec = worker_spec(backend_name).model_copy(update={"model": Path("/nowhere/x.gguf")})
    launcher = ProcessLauncher(runtime)
    process = await launcher.launch(spec)
    with pytest.raises(LoadFailed) as failure:
        await process.ready(DEADLINE, lambda: None)
    assert failure.value.details["phase"] == "load"
    if backend_name == "llama_cpp":
        assert "/nowhere/x.gguf" in failure.value.message
    launcher.close()


async def test_polite_end_lets_the_answer_finish(worker: ContractWorker) -> None:
    extra = " [[slow=0.05]]" if worker.backend == "echo" else ""
    response = await worker.chat("say the alphabet please" + extra, stream=True, max_tokens=20)
    chunks = response.chunks()
    first = await anext(chunks)
    ending = asyncio.create_task(worker.process.stop())
    raw = first + b"".join([chunk async for chunk in chunks])
    assert raw.endswith(sse.DONE)
    assert await ending == 0
