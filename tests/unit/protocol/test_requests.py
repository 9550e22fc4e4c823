from __future__ import annotations

from typing import Any

import pytest

from localai.errors import InvalidRequest
from localai.protocol.asgi import parse_request
from localai.protocol.requests import (
    NO_EFFECT,
    ChatRequest,
    CompletionRequest,
    Message,
)
from localai.protocol.wire import asked_parameters

USER = {"role": "user", "content": "hello"}


def chat(**fields: Any) -> ChatRequest:
    return parse_request(ChatRequest, {"messages": [USER], **fields})


def completion(**fields: Any) -> CompletionRequest:
    return parse_request(CompletionRequest, {"prompt": "hello", **fields})


def refusal(**fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        chat(**fields)
    return caught.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", 2),
        ("temperature", 0.7),
        ("top_p", 0),
        ("top_p", 1),
        ("n", 1),
        ("n", 128),
        ("frequency_penalty", -2),
        ("presence_penalty", 2.0),
        ("max_tokens", 0),
        ("max_completion_tokens", 0),
        ("stop", "x"),
        ("stop", []),
        ("stop", ["a", "b", "c", "d"]),
        ("seed", -1),
        ("logit_bias", {"50256": -100, "1": 100}),
        ("user", ""),
        ("metadata", {"a": {"b": [1]}}),
        ("response_format", {"type": "json_object"}),
        ("tool_choice", "none"),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}),
        ("reasoning_effort", "xhigh"),
        ("verbosity", "low"),
        ("modalities", ["text", "audio"]),
        ("top_k", 0),
        ("min_p", 1),
        ("repeat_penalty", 1.1),
    ],
)
def test_values_in_range_are_taken_as_they_are(name: str, value: object) -> None:
    assert getattr(chat(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.01),
        ("temperature", 2.01),
        ("temperature", "0.7"),
        ("temperature", True),
        ("temperature", [1]),
        ("top_p", 1.5),
        ("n", 0),
        ("n", 129),
        ("n", 1.5),
        ("n", "1"),
        ("n", True),
        ("frequency_penalty", -2.5),
        ("presence_penalty", 3),
        ("max_tokens", -1),
        ("max_tokens", 1.5),
        ("max_completion_tokens", -1),
        ("max_completion_tokens", "ten"),
        ("stop", 5),
        ("stop", {"a": 1}),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("seed", 1.5),
        ("seed", "1"),
        ("stream", "true"),
        ("stream", 1),
        ("model", 5),
        ("logit_bias", {"1": 101}),
        ("logit_bias", []),
        ("user", 1),
        ("metadata", "x"),
        ("logprobs", 1),
        ("response_format", "json"),
        ("tools", {}),
        ("tool_choice", 5),
        ("reasoning_effort", "enormous"),
        ("verbosity", "loud"),
        ("top_k", -1),
        ("min_p", 1.1),
        ("repeat_penalty", 0),
        ("messages", "hello"),
        ("messages", []),
        ("messages", {}),
    ],
)
def test_values_out_of_range_or_of_another_type_name_their_parameter(
    name: str, value: object
) -> None:
    error = refusal(**{name: value})
    assert (error.status, error.type) == (400, "invalid_request_error")
    assert error.param == name
    assert error.code == "invalid_value"
    assert error.message.startswith(f"Invalid '{name}': ")


@pytest.mark.parametrize(("tops", "valid"), [(0, True), (20, True), (21, False), (-1, False)])
def test_top_logprobs_go_from_0_to_20(tops: int, valid: bool) -> None:
    if valid:
        assert chat(logprobs=True, top_logprobs=tops).top_logprobs == tops
    else:
        assert refusal(logprobs=True, top_logprobs=tops).param == "top_logprobs"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"top_logprobs": 3, "logprobs": False}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream_options": {}, "stream": False}, "stream_options"),
    ],
)
def test_a_parameter_without_the_one_it_needs_is_named(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert error.param == param
    assert f"'{param}' is only allowed when" in error.message


@pytest.mark.parametrize("name", sorted(set(ChatRequest.model_fields) - {"messages"}))
def test_null_counts_as_left_out_in_chat(name: str) -> None:
    request = chat(**{name: None})
    assert getattr(request, name) is None
    assert asked_parameters(request) == {}


@pytest.mark.parametrize("name", sorted(set(CompletionRequest.model_fields) - {"prompt"}))
def test_null_counts_as_left_out_in_completions(name: str) -> None:
    request = completion(**{name: None})
    assert getattr(request, name) is None
    assert asked_parameters(request) == {}


def test_unknown_fields_are_kept_and_listed_in_order() -> None:
    request = chat(zebra=1, apple={"deep": [None]}, temperature=1)
    assert request.unknown_fields() == ["apple", "zebra"]
    assert chat().unknown_fields() == []


def test_unknown_fields_in_messages_do_not_hurt() -> None:
    request = chat(messages=[USER | {"cache_control": {"type": "ephemeral"}}])
    assert request.messages[0].text() == "hello"


@pytest.mark.parametrize("kind", [ChatRequest, CompletionRequest])
def test_a_missing_required_field_has_its_own_code(
    kind: type[ChatRequest] | type[CompletionRequest],
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_request(kind, {"model": "m"})
    required = "messages" if kind is ChatRequest else "prompt"
    assert (caught.value.code, caught.value.param) == ("missing_required_parameter", required)


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([{"content": "x"}], "messages[0].role"),
        ([USER, {"role": "robot", "content": "x"}], "messages[1].role"),
        ([USER, 5], "messages[1]"),
        ([{"role": "user"}], "messages[0]"),
        ([{"role": "system", "content": None}], "messages[0]"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"role": "user", "content": [5]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"text": "x"}]}], "messages[0].content[0].type"),
        (
            [
                USER,
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": 5}],
                },
            ],
            "messages[1].content[1].text",
        ),
        ([{"role": "user", "content": [{"type": "video"}]}], "messages[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content[0]"),
        ([{"role": "user", "content": "x", "name": 1}], "messages[0].name"),
    ],
)
def test_errors_in_messages_name_the_path(messages: list[Any], param: str) -> None:
    assert refusal(messages=messages).param == param


def test_errors_in_stream_options_name_the_path() -> None:
    error = refusal(stream=True, stream_options={"include_usage": "yes"})
    assert error.param == "stream_options.include_usage"


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([5], "tools[0]"),
        ([{}], "tools[0]"),
        ([{"type": "function"}], "tools[0]"),
        ([{"type": "function", "function": {}}], "tools[0]"),
        ([{"type": "function", "function": {"name": 5}}], "tools[0]"),
        ([{"type": "function", "function": {"name": "f", "parameters": 5}}], "tools[0]"),
    ],
)
def test_a_tool_without_its_parts_is_refused(tools: list[Any], param: str) -> None:
    assert refusal(tools=tools).param == param


@pytest.mark.parametrize(
    "choice", ["sometimes", {}, {"type": "function"}, {"type": "function", "function": 5}]
)
def test_a_tool_choice_without_its_parts_is_refused(choice: object) -> None:
    assert refusal(tool_choice=choice).param == "tool_choice"


def test_tools_of_other_kinds_are_left_to_the_backend() -> None:
    tool = {"type": "custom", "custom": {"name": "shell"}}
    assert chat(tools=[tool]).tools == [tool]


@pytest.mark.parametrize(
    "format_",
    [
        {},
        {"type": "xml"},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": 5},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": "object"}},
    ],
)
def test_a_response_format_that_nobody_knows_is_refused(format_: dict[str, Any]) -> None:
    assert refusal(response_format=format_).param == "response_format"


@pytest.mark.parametrize("role", ["developer", "system", "user", "assistant", "tool", "function"])
def test_every_role_of_the_specification_is_taken(role: str) -> None:
    assert chat(messages=[{"role": role, "content": "x"}]).messages[0].role == role


def test_an_assistant_that_only_called_a_tool_needs_no_content() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = chat(messages=[{"role": "assistant", "tool_calls": [call]}]).messages[0]
    assert message.text() == ""
    assert message.tool_calls == [call]


def test_text_of_a_message_joins_its_text_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    parts = [{"type": "text", "text": "one"}, image, {"type": "text", "text": "two"}]
    message = Message.model_validate({"role": "user", "content": parts})
    assert message.text() == "one\ntwo"


@pytest.mark.parametrize(
    ("stop", "stops"),
    [(None, []), ("x", ["x"]), ("", []), (["a", "", "b"], ["a", "b"]), ([], [])],
)
def test_stops_are_a_list_without_empty_strings(stop: object, stops: list[str]) -> None:
    assert chat(stop=stop).stops() == stops


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("x", ["x"]),
        ("", [""]),
        (["x", "y"], ["x", "y"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_prompts_come_in_four_forms(prompt: object, prompts: list[object]) -> None:
    assert completion(prompt=prompt).prompts() == prompts


@pytest.mark.parametrize("prompt", [[], 5, {"a": 1}, [1, "x"], [True], [[1], "x"], [1.5], None])
def test_other_prompts_are_refused(prompt: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        completion(prompt=prompt)
    assert caught.value.param is not None
    assert caught.value.param.startswith("prompt")


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": 0}, 0),
        ({"max_tokens": 5, "max_completion_tokens": None}, 5),
    ],
)
def test_max_completion_tokens_wins(fields: dict[str, Any], limit: int | None) -> None:
    assert chat(**fields).answer_limit() == limit


def test_a_completion_knows_only_max_tokens() -> None:
    assert completion(max_tokens=3).answer_limit() == 3
    assert completion().answer_limit() == 16
    assert completion(max_completion_tokens=3).unknown_fields() == ["max_completion_tokens"]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (None, False),
        ({}, False),
        ({"include_usage": False}, False),
        ({"include_usage": None}, False),
        ({"include_usage": True}, True),
    ],
)
def test_usage_is_wanted_only_when_asked_for(options: object, wanted: bool) -> None:
    assert chat(stream=True, stream_options=options).wants_usage() is wanted


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n": 1},
        {"logprobs": False},
        {"presence_penalty": 0},
        {"frequency_penalty": 0.0},
        {"repeat_penalty": 1},
        {"logit_bias": {}},
        {"response_format": {"type": "text"}},
        {"tools": []},
        {"tool_choice": "none"},
        {"tool_choice": "auto"},
        {"modalities": ["text"]},
        {"reasoning_effort": "none"},
        {"verbosity": "medium"},
        {"invented_by_a_client": 1},
    ],
)
def test_defaults_ask_for_nothing(fields: dict[str, Any]) -> None:
    assert asked_parameters(chat(**fields)) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"logprobs": True},
        {"presence_penalty": 0.1},
        {"repeat_penalty": 1.1},
        {"logit_bias": {"1": 1}},
        {"response_format": {"type": "json_object"}},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tool_choice": "required"},
        {"modalities": ["audio"]},
        {"reasoning_effort": "low"},
        {"verbosity": "low"},
        {"temperature": 0},
        {"temperature": 1},
        {"top_p": 1},
        {"seed": 0},
        {"max_tokens": 0},
        {"stop": "x"},
        {"top_k": 0},
        {"web_search_options": {}},
    ],
)
def test_other_values_are_asked_for(fields: dict[str, Any]) -> None:
    assert asked_parameters(chat(**fields)) == fields


def test_logprobs_0_of_a_completion_asks_for_the_chosen_tokens() -> None:
    assert asked_parameters(completion(logprobs=0)) == {"logprobs": 0}


@pytest.mark.parametrize(
    "fields", [{"best_of": 1}, {"best_of": 0}, {"echo": False}, {"suffix": ""}]
)
def test_defaults_of_a_completion_ask_for_nothing(fields: dict[str, Any]) -> None:
    assert asked_parameters(completion(**fields)) == {}


@pytest.mark.parametrize("fields", [{"best_of": 2}, {"echo": True}, {"suffix": "x"}])
def test_other_values_of_a_completion_are_asked_for(fields: dict[str, Any]) -> None:
    assert asked_parameters(completion(**fields)) == fields


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "u"},
        {"metadata": {"a": "b"}},
        {"store": True},
        {"service_tier": "flex"},
        {"safety_identifier": "x"},
        {"prompt_cache_key": "x"},
        {"prediction": {"type": "content", "content": "x"}},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"model": "m"},
        {"parallel_tool_calls": False},
    ],
)
def test_parameters_without_effect_on_content_are_never_asked_for(fields: dict[str, Any]) -> None:
    assert set(fields) <= NO_EFFECT
    assert asked_parameters(chat(**fields)) == {}


def test_unknown_fields_inside_messages_are_named_with_their_place() -> None:
    request = ChatRequest.model_validate(
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "x", "cache": 1}]},
                {"role": "assistant", "content": "y", "reasoning": "z"},
            ],
            "stream": True,
            "stream_options": {"speed": 2},
            "mint": 1,
        }
    )
    assert request.unknown_fields() == [
        "mint",
        "messages[0].content[0].cache",
        "messages[1].reasoning",
        "stream_options.speed",
    ]


@pytest.mark.parametrize(
    ("part", "beside"),
    [
        ({"type": "text", "text": "x", "image_url": {"url": "http://a/b.png"}}, "image_url"),
        ({"type": "image_url", "image_url": {"url": "http://a"}, "text": "What?"}, "text"),
        ({"type": "input_audio", "input_audio": {"data": "x"}, "file": {"file_id": "y"}}, "file"),
    ],
)
def test_a_part_of_two_kinds_is_refused(part: dict[str, Any], beside: str) -> None:
    error = refusal(messages=[{"role": "user", "content": [part]}])
    assert error.param == "messages[0].content[0]"
    assert f"cannot carry '{beside}' too" in error.message


def test_a_part_may_name_other_kinds_as_empty() -> None:
    url = {"url": "http://a"}
    part = {"type": "image_url", "image_url": url, "text": "", "input_audio": None, "file": {}}
    assert chat(messages=[{"role": "user", "content": [part]}])


def test_refusal_part_is_part_of_the_text() -> None:
    message = {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]}
    request = ChatRequest.model_validate({"messages": [message]})
    assert request.messages[0].text() == "I will not."
