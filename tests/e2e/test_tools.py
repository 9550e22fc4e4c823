from __future__ import annotations

import json
from typing import Any, Literal

import openai
import pytest
from openai import pydantic_function_tool
from openai.types.chat import ChatCompletionFunctionToolParam
from pydantic import BaseModel

from tests.e2e.sdk import said, strict

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "unit": {"enum": ["celsius", "kelvin"]},
        "days": {"type": "integer", "minimum": 1},
    },
    "required": ["city"],
}
WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Look.", "parameters": PARAMETERS},
}
CLOCK: ChatCompletionFunctionToolParam = {"type": "function", "function": {"name": "get_time"}}
CALLED = {"city": 'Zürich "ZRH" 🇨🇭', "unit": "celsius", "days": 1}
CHOICES: list[Any] = ["required", {"type": "function", "function": {"name": "get_weather"}}]


@pytest.mark.parametrize("choice", CHOICES)
def test_a_tool_is_called_when_the_caller_says_so(client: openai.OpenAI, choice: Any) -> None:
    answer = client.chat.completions.create(
        model="echo", messages=said(str(CALLED["city"])), tools=[WEATHER, CLOCK],
        tool_choice=choice,
    )  # fmt: skip
    [choice] = strict(answer).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert call.id
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == CALLED


@pytest.mark.parametrize("choice", CHOICES)
def test_streamed_arguments_make_up_the_json(client: openai.OpenAI, choice: Any) -> None:
    stream = client.chat.completions.create(
        model="echo", messages=said(str(CALLED["city"])), tools=[WEATHER], tool_choice=choice,
        stream=True,
    )  # fmt: skip
    chunks = [strict(chunk).choices[0] for chunk in stream]
    deltas = [delta for chunk in chunks for delta in chunk.delta.tool_calls or []]
    functions = [delta.function for delta in deltas if delta.function]
    assert json.loads("".join(f.arguments or "" for f in functions)) == CALLED
    assert len(functions) > 2
    assert [d.id is not None for d in deltas] == [True] + [False] * (len(deltas) - 1)
    assert [f.name for f in functions if f.name] == ["get_weather"]
    assert {delta.index for delta in deltas} == {0}
    assert chunks[-1].finish_reason == "tool_calls"


def test_each_answer_calls_for_itself(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="echo", messages=said("Bern"), tools=[CLOCK], tool_choice="required", n=2
    )
    ids = [call.id for choice in answer.choices for call in choice.message.tool_calls or []]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("fields", [{"tool_choice": "none"}, {"tool_choice": "auto"}, {}])
def test_a_tool_that_is_not_needed_is_not_called(
    client: openai.OpenAI, fields: dict[str, Any]
) -> None:
    answer = client.chat.completions.create(
        model="echo", messages=said("Bern"), tools=[WEATHER], **fields
    )
    [choice] = answer.choices
    assert (choice.message.content, choice.message.tool_calls) == ("Bern", None)
    assert choice.finish_reason == "stop"


def test_a_model_may_decide_to_call(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="echo", messages=said("[[tool]] Bern"), tools=[WEATHER]
    )
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments)["city"] == "Bern"


def test_none_forbids_even_what_the_model_wants(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="echo", messages=said("[[tool]] Bern"), tools=[WEATHER], tool_choice="none"
    )
    assert answer.choices[0].message.tool_calls is None


def test_the_result_of_a_tool_goes_back(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(
        model="echo", messages=said("Bern"), tools=[WEATHER], tool_choice="required"
    ).choices[0]
    [call] = first.message.tool_calls or []
    second = client.chat.completions.create(
        model="echo",
        messages=[
            *said("Bern"),
            first.message.to_dict(),  # type: ignore[list-item]
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
            *said("And now?"),
        ],
        tools=[WEATHER],
    ).choices[0]
    assert (second.message.content, second.finish_reason) == ("And now?", "stop")


def test_a_tool_that_is_not_there_cannot_be_chosen(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model="echo", messages=said("Bern"), tools=[WEATHER],
            tool_choice={"type": "function", "function": {"name": "get_moon"}},
        )  # fmt: skip
    assert caught.value.param == "tool_choice"
    assert "get_moon" in caught.value.message


class Street(BaseModel):
    name: str
    number: int


class Place(BaseModel):
    city: str
    street: Street
    kind: Literal["town", "village"]
    is_near: bool
    tags: list[str]
    height: float | None


def test_a_pydantic_model_is_parsed(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="echo", messages=said("Bern"), response_format=Place
    )
    place = answer.choices[0].message.parsed
    assert place == Place(
        city="Bern", street=Street(name="Bern", number=0), kind="town", is_near=False, tags=[],
        height=0,
    )  # fmt: skip


async def test_a_pydantic_model_is_parsed_awaited(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.parse(
        model="echo", messages=said("Bern"), response_format=Street
    )
    assert answer.choices[0].message.parsed == Street(name="Bern", number=0)


def test_a_pydantic_model_is_parsed_from_a_stream(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="echo", messages=said("Bern"), response_format=Street
    ) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == Street(name="Bern", number=0)


def test_a_cut_answer_is_not_parsed(client: openai.OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="echo", messages=said("a long name"), response_format=Street, max_tokens=1
        )


def test_arguments_of_a_pydantic_tool_are_parsed(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="echo", messages=said("Bern"), tools=[pydantic_function_tool(Street)],
        tool_choice="required",
    )  # fmt: skip
    [call] = answer.choices[0].message.tool_calls or []
    assert call.function.parsed_arguments == Street(name="Bern", number=0)


def test_a_json_schema_is_followed(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="echo", messages=said("Bern"),
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "weather", "strict": True, "schema": PARAMETERS},
        },
    )  # fmt: skip
    assert json.loads(answer.choices[0].message.content or "") == CALLED | {"city": "Bern"}
