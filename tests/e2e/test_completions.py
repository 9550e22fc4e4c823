from __future__ import annotations

import openai
import pytest

from tests.e2e.sdk import strict


def test_a_whole_completion(client: openai.OpenAI) -> None:
    answer = strict(client.completions.create(model="echo", prompt="once upon a time"))
    [choice] = answer.choices
    assert (choice.text, choice.finish_reason) == ("once upon a time", "stop")
    assert (answer.object, answer.model) == ("text_completion", "echo")
    assert answer.id.startswith("cmpl-")
    assert answer.usage is not None
    assert answer.usage.total_tokens == 8


async def test_a_whole_completion_awaited(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.completions.create(model="gpt-3.5-turbo-instruct", prompt="a b")
    assert strict(answer).choices[0].text == "a b"


def test_a_stream(client: openai.OpenAI) -> None:
    chunks = list(
        client.completions.create(
            model="echo", prompt="a b c", stream=True, stream_options={"include_usage": True}
        )
    )
    *text, last = map(strict, chunks)
    assert "".join(choice.text for chunk in text for choice in chunk.choices) == "a b c"
    assert text[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 3
    assert len({chunk.id for chunk in chunks}) == 1


async def test_a_stream_awaited(async_client: openai.AsyncOpenAI) -> None:
    stream = await async_client.completions.create(model="echo", prompt="a 🎉 c", stream=True)
    texts = [choice.text async for chunk in stream for choice in strict(chunk).choices]
    assert texts == ["a", " 🎉", " c", ""]


def test_several_prompts_and_answers(client: openai.OpenAI) -> None:
    answer = strict(client.completions.create(model="echo", prompt=["a", "b"], n=2))
    assert [(choice.index, choice.text) for choice in answer.choices] == [
        (0, "a"),
        (1, "a"),
        (2, "b"),
        (3, "b"),
    ]


def test_token_ids_are_taken(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="echo", prompt=[[1, 2], [3]])
    assert [choice.text for choice in answer.choices] == ["1 2", "3"]


@pytest.mark.parametrize(("most", "text"), [(0, ""), (2, "a b")])
def test_a_limit_of_tokens_ends_with_length(client: openai.OpenAI, most: int, text: str) -> None:
    [choice] = client.completions.create(model="echo", prompt="a b c", max_tokens=most).choices
    assert (choice.text, choice.finish_reason) == (text, "length")


def test_logprobs_cover_the_text(client: openai.OpenAI) -> None:
    answer = strict(client.completions.create(model="echo", prompt="日本 b c", logprobs=1))
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert "".join(logprobs.tokens or []) == answer.choices[0].text
    assert logprobs.text_offset == [0, 2, 4]
    assert len(logprobs.token_logprobs or []) == len(logprobs.top_logprobs or []) == 3


def test_logprobs_0_gives_the_chosen_tokens_alone(client: openai.OpenAI) -> None:
    answer = strict(client.completions.create(model="echo", prompt="a b", logprobs=0))
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert (logprobs.tokens, logprobs.top_logprobs) == (["a", " b"], [{}, {}])


def test_a_stop_string(client: openai.OpenAI) -> None:
    [choice] = client.completions.create(model="echo", prompt="a b c", stop=["c"]).choices
    assert (choice.text, choice.finish_reason) == ("a b ", "stop")
