from __future__ import annotations

from typing import Any

import pytest

from backends.llama_cpp.template import CHATML, ChatTemplate
from localai.errors import InvalidRequest, LoadFailed
from localai.protocol.requests import ChatRequest

PARTS_ONLY = (
    "{% for m in messages %}{{ m.role }}:"
    "{% for part in m.content %}[{{ part.text }}]{% endfor %}{% endfor %}"
)


def render(source: str, *messages: dict[str, Any]) -> str:
    template = ChatTemplate(source, bos="<s>", eos="</s>")
    request = ChatRequest.model_validate({"messages": list(messages)})
    return template.render(template.messages(request.messages))


def user(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_chatml_ends_where_the_answer_begins() -> None:
    prompt = render(CHATML, {"role": "system", "content": "Be brief."}, user("Hi"))
    assert prompt == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_text_parts_become_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert "user\na\nb<|im_end|>" in render(CHATML, user(parts))


def test_a_template_that_takes_parts_gets_parts() -> None:
    assert render(PARTS_ONLY, user("Hi")) == "user:[Hi]"


def test_developer_is_system_where_the_template_knows_no_developer() -> None:
    source = "{% for m in messages %}{{ m.role }} {% endfor %}"
    developer = {"role": "developer", "content": "x"}
    assert render(source, developer) == "system "
    assert render(source + "{# developer #}", developer) == "developer "


def test_an_assistant_turn_without_content_is_empty() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    source = (
        "{% for m in messages %}({{ m.content }}"
        "{% for c in m.tool_calls or [] %}{{ c.function.arguments.a + 1 }}{% endfor %})"
        "{% endfor %}"
    )
    assert render(source, {"role": "assistant", "tool_calls": [call]}) == "(2)"


def test_arguments_that_are_no_json_stay_a_string() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{oops"}}
    source = "{% for m in messages %}{{ m.tool_calls[0].function.arguments }}{% endfor %}"
    assert render(source, {"role": "assistant", "tool_calls": [call]}) == "{oops"


def test_the_helpers_that_templates_use() -> None:
    source = (
        "{{ bos_token }}{{ {'a': '<é>'} | tojson }}{{ strftime_now('%%') }}"
        "{% for n in [1, 2, 3] %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %}"
        "{% generation %}x{% endgeneration %}{{ eos_token }}"
    )
    assert render(source, user("Hi")) == '<s>{"a": "<é>"}%1x</s>'


def test_blocks_leave_no_white_space() -> None:
    assert render("  {% if true %}\nyes\n  {% endif %}\n", user("Hi")) == "yes\n"


def test_a_template_that_refuses_is_the_callers_error() -> None:
    with pytest.raises(InvalidRequest, match="roles must alternate") as caught:
        render("{{ raise_exception('roles must alternate') }}", user("Hi"))
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{% for n in range(10**9) %}{% endfor %}",
        "{{ 1 / 0 }}",
    ],
)
def test_a_template_is_fenced_in(source: str) -> None:
    with pytest.raises(InvalidRequest):
        render(source, user("Hi"))


def test_a_broken_template_fails_the_load() -> None:
    with pytest.raises(LoadFailed, match="chat_template"):
        ChatTemplate("{% if %}", bos="", eos="")


def test_pictures_are_refused_with_their_place() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    with pytest.raises(InvalidRequest, match="image_url") as caught:
        render(CHATML, user("a"), user([{"type": "text", "text": "b"}, picture]))
    assert caught.value.param == "messages[1].content[1]"
