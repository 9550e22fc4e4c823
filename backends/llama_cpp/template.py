"""Chat templates: from messages to the text of the prompt."""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from localai.errors import InvalidRequest, LoadFailed
from localai.protocol.requests import Message

CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""For files without a template: the form that most models know."""
_PROBE = "probe"
_TEXT_TYPES = frozenset({"text", "refusal"})

Json = dict[str, Any]


class ChatTemplate:
    """A compiled template with what it must know of the model."""

    def __init__(self, source: str, *, bos: str, eos: str) -> None:
        try:
            self._template = _environment().from_string(source)
        except jinja2.TemplateError as error:
            raise LoadFailed(
                f"The chat template cannot be read: {error}. "
                "Set `options.chat_template` in the card to one that can."
            ) from error
        self._tokens = {"bos_token": bos, "eos_token": eos}
        self._knows_developer = "developer" in source
        self._wants_parts = self._takes_only_parts()

    def messages(self, messages: Sequence[Message]) -> list[Json]:
        """Return `messages` in the form that the template takes.

        Raises InvalidRequest for content that is not text.
        """
        return [self._message(message, number) for number, message in enumerate(messages)]

    def render(self, messages: Sequence[Json]) -> str:
        """Return the prompt, up to where the answer is to begin.

        Raises InvalidRequest with the template's words when it refuses the messages.
        """
        try:
            return self._render(messages)
        except Exception as error:
            # A template is a program of the file's; whatever it trips over, it is these messages.
            raise InvalidRequest(
                f"The model's chat template refuses the messages: {error}", param="messages"
            ) from error

    def _render(self, messages: Sequence[Json]) -> str:
        return self._template.render(
            messages=messages, add_generation_prompt=True, tools=None, **self._tokens
        )

    def _takes_only_parts(self) -> bool:
        """Tell whether the template wants content as a list of parts, by trying."""
        return not self._shows(_PROBE) and self._shows([{"type": "text", "text": _PROBE}])

    def _shows(self, content: str | list[Json]) -> bool:
        try:
            return _PROBE in self._render([{"role": "user", "content": content}])
        except Exception:
            return False

    def _message(self, message: Message, number: int) -> Json:
        check_parts(message, number)
        role: str = message.role
        if role == "developer" and not self._knows_developer:
            role = "system"
        text = message.text()
        plain: Json = {"role": role, "content": text}
        if self._wants_parts:
            plain["content"] = [{"type": "text", "text": text}]
        if message.name is not None:
            plain["name"] = message.name
        if message.tool_call_id is not None:
            plain["tool_call_id"] = message.tool_call_id
        if message.tool_calls:
            plain["tool_calls"] = [_with_parsed_arguments(call) for call in message.tool_calls]
        return plain


def check_parts(message: Message, number: int, *, beside: Set[str] = frozenset()) -> None:
    """Raise InvalidRequest for a part of message `number` that is no text, nor of `beside`."""
    if isinstance(message.content, list):
        for part_number, part in enumerate(message.content):
            if part.type not in _TEXT_TYPES | beside:
                raise InvalidRequest(
                    f"This model cannot read a part of type '{part.type}': leave it out.",
                    param=f"messages[{number}].content[{part_number}]",
                )


def _with_parsed_arguments(call: Json) -> Json:
    """Return `call` with its arguments as an object, as templates expect, where they are JSON."""
    function = call.get("function")
    if not isinstance(function, dict):
        return call
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except (TypeError, ValueError):
        return call
    return call | {"function": function | {"arguments": arguments}}


def _environment() -> jinja2.Environment:
    """Return an environment like the one that templates are written for.

    Source: https://huggingface.co/docs/transformers/chat_templating_writing
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _format_now
    return environment


class _Generation(Extension):
    """`{% generation %}` marks what a model is trained on; it shows its body."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    """Return JSON as it is; Jinja's own filter escapes it for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _format_now(pattern: str) -> str:
    return datetime.now().astimezone().strftime(pattern)
