"""What an import does about a model's chat template, and what comes before its messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from localai.cards.importers.jinja_text import quoted
from localai.references import is_reference


@dataclass(frozen=True)
class Opening:
    """What a conversation begins with where its caller does not say so."""

    system: str = ""
    """For conversations without a system message of their own."""
    messages: tuple[tuple[str, str], ...] = ()
    """Roles and texts that come before the caller's messages."""

    def __bool__(self) -> bool:
        return bool(self.system or self.messages)


def with_opening(template: str, opening: Opening) -> str:
    """Return a Jinja template that puts `opening` before the messages it is given."""
    lines = [*_messages_lines(opening.messages), *_system_lines(opening.system)]
    if not lines:
        return template
    # The last tag keeps its newline out, the others take theirs along.
    return "".join(f"{{%- {line} -%}}\n" for line in lines[:-1]) + f"{{%- {lines[-1]} %}}{template}"


def _messages_lines(messages: Sequence[tuple[str, str]]) -> list[str]:
    if not messages:
        return []
    said = ", ".join(_message(role, text) for role, text in messages)
    # A caller's system message stays the first.
    return [
        f"set before = [{said}]",
        "if messages[0].role == 'system'",
        "set messages = messages[:1] + before + messages[1:]",
        "else",
        "set messages = before + messages",
        "endif",
    ]


def _system_lines(system: str) -> list[str]:
    if not system:
        return []
    return [
        "if messages[0].role != 'system'",
        f"set messages = [{_message('system', system)}] + messages",
        "endif",
    ]


def _message(role: str, text: str) -> str:
    return f"{{'role': {quoted(role)}, 'content': {quoted(text)}}}"


def what_instead(source: str, *, is_here: bool) -> str:
    """Return the end of a sentence: why an opening has no template, and what to do about it."""
    send = "or send it as the first message of each call."
    if is_here:
        return f"and that has none: write `options.chat_template`, {send}"
    how = f"run `localai pull {source}`" if is_reference(source) else "put it beside this file"
    return f"which is not here: {how} and import again, {send}"
