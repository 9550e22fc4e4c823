from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.e2e.sdk import said, text_of
from tests.gateways import RunningGateway, eventually

LONG = "[[slow=0.02]] [[words=100000]] word"


def refused(gateway: RunningGateway, model: str, status: int) -> float:
    """Return how many chat calls of a model the gateway has answered with `status`."""
    lines = gateway.http.get("/metrics").text.splitlines()
    wanted = ("localai_requests_total{", f'model="{model}"', f'status="{status}"', "chat")
    return sum(float(line.split()[-1]) for line in lines if all(w in line for w in wanted))


@pytest.fixture
def narrow(gateway: RunningGateway) -> str:
    """A model that answers one call at a time and lets none wait; nobody calls it any more."""
    eventually(lambda: gateway.worker("narrow").get("running", 0) == 0)
    return "narrow"


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nobody", messages=said("a"))
    error = caught.value
    assert (error.code, error.param, error.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    assert "There is no model 'nobody'." in error.message
    assert error.request_id


async def test_an_unknown_model_is_not_found_awaited(async_client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await async_client.chat.completions.create(model="nobody", messages=said("a"), stream=True)
    assert caught.value.code == "model_not_found"


def test_a_route_that_is_not_there_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.get("/nowhere", cast_to=object)
    assert caught.value.code == "unknown_url"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 5}, "temperature"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"n": 0}, "n"),
        ({"stop": list("abcde")}, "stop"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
    ],
)
def test_a_wrong_parameter_is_a_bad_request(
    client: openai.OpenAI, fields: dict[str, Any], param: str, stream: bool
) -> None:
    call: dict[str, Any] = {"model": "echo", "messages": said("a"), "stream": stream, **fields}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**call)
    assert (caught.value.param, caught.value.code) == (param, "invalid_value")


async def test_a_wrong_parameter_is_a_bad_request_awaited(
    async_client: openai.AsyncOpenAI,
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await async_client.chat.completions.create(model="echo", messages=said("a"), top_p=2)
    assert caught.value.param == "top_p"


@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_engine_is_an_internal_error_that_is_not_tried_again(
    gateway: RunningGateway, client: openai.OpenAI, stream: bool
) -> None:
    before = refused(gateway, "echo", 500)
    with pytest.raises(openai.InternalServerError) as caught:
        client.with_options(max_retries=3).chat.completions.create(
            model="echo", messages=said("[[fail=before]] a"), stream=stream
        )
    assert (caught.value.status_code, caught.value.code) == (500, "echo_fail_before")
    assert refused(gateway, "echo", 500) - before == 1


def test_a_failure_in_the_stream_is_an_error_with_its_code(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="echo", messages=said("[[fail=mid]] a b c d e"), stream=True
    )
    chunks: list[ChatCompletionChunk] = []
    with pytest.raises(openai.APIError) as caught:
        chunks.extend(stream)
    assert text_of(chunks) == "a b c"
    assert caught.value.code == "echo_fail_mid"
    assert caught.value.type == "server_error"
    assert "asked to fail" in caught.value.message


async def test_a_failure_in_the_stream_awaited(async_client: openai.AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(
        model="echo", messages=said("[[fail=mid]] a b c d e"), stream=True
    )
    with pytest.raises(openai.APIError) as caught:
        _ = [chunk async for chunk in stream]
    assert caught.value.code == "echo_fail_mid"


def test_a_failure_in_a_whole_answer_has_its_status(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="echo", messages=said("[[fail=mid]] a b c d"))
    assert caught.value.code == "echo_fail_mid"


def test_the_next_call_after_a_failure_is_answered(client: openai.OpenAI) -> None:
    for phase in ("before", "mid"):
        with pytest.raises(openai.APIError):
            client.chat.completions.create(model="echo", messages=said(f"[[fail={phase}]] a b c d"))
    answer = client.chat.completions.create(model="echo", messages=said("fine"))
    assert answer.choices[0].message.content == "fine"


def test_a_full_queue_is_a_rate_limit(client: openai.OpenAI, narrow: str) -> None:
    with client.chat.completions.create(model=narrow, messages=said(LONG), stream=True) as running:
        next(running)
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model=narrow, messages=said("a"))
    assert (caught.value.code, caught.value.type) == ("queue_full", "rate_limit_error")
    assert caught.value.response.headers["retry-after"] == "1"


def test_a_call_that_was_refused_succeeds_when_it_is_tried_again(
    gateway: RunningGateway, client: openai.OpenAI, narrow: str
) -> None:
    patient = client.with_options(max_retries=5)
    before = refused(gateway, narrow, 429)
    with ThreadPoolExecutor(1) as pool:
        with client.chat.completions.create(
            model=narrow, messages=said(LONG), stream=True
        ) as running:
            next(running)
            waiting = pool.submit(
                patient.chat.completions.create, model=narrow, messages=said("my turn")
            )
            eventually(lambda: refused(gateway, narrow, 429) > before)
        answer = waiting.result(30)
    assert answer.choices[0].message.content == "my turn"
