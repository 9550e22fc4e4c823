"""LocalAI's chat templates to Jinja: one for each message, and one around all of them.

Each message is written by `chat_message`, or as its role's label and its text where that is empty;
joined, they are `.Input` of `chat`, or of `function` where the caller brings tools.
Source: https://localai.io/advanced/#prompt-templates
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from localai.cards.importers.go_syntax import parse_template
from localai.cards.importers.go_template import translate
from localai.cards.importers.go_values import AS_JSON, NOTHING, Value
from localai.cards.importers.jinja_text import Piece, quoted, write_jinja

CALLING = "assistant_function_call"
"""The role, where it has a label, of an assistant's message that calls functions."""


@dataclass(frozen=True)
class LocalAITemplates:
    """What a LocalAI card says about its prompts."""

    chat: str = ""
    chat_message: str = ""
    function: str = ""
    join_with: str = "\n"
    system: str = ""
    roles: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.chat or self.chat_message)


def localai_to_jinja(templates: LocalAITemplates) -> str:
    """Return one Jinja template for all of them; raises UntranslatableTemplate."""
    return write_jinja(
        [
            *_one_message(templates),
            *_all_messages(templates),
            *_around(templates),
        ]
    )


def _one_message(templates: LocalAITemplates) -> list[Piece]:
    labels = dict(templates.roles)
    start = [
        f"set labels = {_mapping(labels)}",
        "macro one(message, number, is_last)",
        "set called = message.tool_calls or message.function_call",
        f"set role = '{CALLING}' if called and message.role == 'assistant' else message.role"
        if CALLING in labels
        else "set role = message.role",
    ]
    body: list[Piece] = _plain_message()
    if templates.chat_message:
        body = translate(parse_template(templates.chat_message), _message_data(templates))
    return [*_tags(*start), *body, *_tags("endmacro")]


def _plain_message() -> list[Piece]:
    label = Piece("expression", "labels[role]")
    return [
        *_tags("if message.content"), label, Piece("expression", "message.content"),
        *_tags("endif", "if called"), Piece("expression", "'\\n' if message.content else ''"),
        *_tags("if labels[role]"), label, Piece("expression", "' '"), *_tags("endif"),
        Piece("expression", f"called | {AS_JSON}"), *_tags("endif"),
    ]  # fmt: skip


def _message_data(templates: LocalAITemplates) -> dict[str, Value]:
    return {
        "Role": Value("labels[role]", "text"),
        "RoleName": Value("role", "text"),
        "Content": Value("message.content", "text"),
        "FunctionName": Value("message.name", "text"),
        "FunctionCall": Value("called", "json"),
        "LastMessage": Value("is_last", "bool"),
        "MessageIndex": Value("number", "number"),
        "SystemPrompt": _system(templates),
        # True only beside a grammar of the card's own.
        "Function": NOTHING,
    }


def _all_messages(templates: LocalAITemplates) -> list[Piece]:
    # What `chat_message` makes nothing of is left out; a plain message stays, empty as it is.
    keep = "set said.all = said.all + [text]"
    return _tags(
        "set said = namespace(all=[])",
        "for message in messages",
        "set text = one(message, loop.index0, loop.last) ~ ''",
        *(["if text", keep, "endif"] if templates.chat_message else [keep]),
        "endfor",
        f"set input = said.all | join({quoted(templates.join_with)})",
    )


def _around(templates: LocalAITemplates) -> list[Piece]:
    data = _around_data(templates)
    chat = [Piece("expression", "input")]
    if templates.chat:
        chat = translate(parse_template(templates.chat), data)
    if not templates.function:
        return chat
    function = translate(parse_template(templates.function), data)
    return [*_tags("if tools"), *function, *_tags("else"), *chat, *_tags("endif")]


def _around_data(templates: LocalAITemplates) -> dict[str, Value]:
    # A system message that is written plainly takes the place of the card's own.
    suppressed = NOTHING
    if not templates.chat_message:
        suppressed = Value("messages | selectattr('role', 'equalto', 'system') | list", "any")
    return {
        "Input": Value("input", "text"),
        "SystemPrompt": _system(templates),
        "SuppressSystemPrompt": suppressed,
        "Functions": Value("tools | map(attribute='function') | list", "functions"),
        "ReasoningEffort": Value("reasoning_effort", "text"),
        "Instruction": NOTHING,
        "MessageIndex": Value("0", "number"),
    }


def _system(templates: LocalAITemplates) -> Value:
    return Value(quoted(templates.system), "text") if templates.system else NOTHING


def _mapping(labels: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{quoted(role)}: {quoted(label)}' for role, label in labels.items())}}}"


def _tags(*lines: str) -> list[Piece]:
    return [Piece("tag", line) for line in lines]
