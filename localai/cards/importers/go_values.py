"""Values of Go templates as Jinja expressions, with what is known of their kind.

The kind says which fields a value has and how Go would print it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

AS_JSON = "tojson(separators=(',', ':'))"
"""Compact, as Go writes it."""
_SIMPLE = re.compile(
    r"""[A-Za-z_][\w.]*(\[[\w.:+ -]*\])* | '[^']*' | "(?:\\.|[^"\\])*" | \d+(\.\d+)? | \(.*\)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Value:
    """An expression, and what it stands for."""

    text: str
    kind: str = "any"
    """A key of FIELDS, or `text`, `number`, `bool`, `list`, `any`; `nothing` is always false and
    empty, `always` is always true."""

    @property
    def operand(self) -> str:
        """Return the expression so that it can stand in a larger one."""
        return self.text if _is_simple(self.text) else f"({self.text})"

    @property
    def present(self) -> str:
        """Return an operand for the expression in which a text that is missing is empty."""
        missing = self.kind == "text" and re.fullmatch(r"[A-Za-z_][\w.]*\.[\w.]+", self.text)
        return f"({self.text} or '')" if missing else self.operand


NOTHING = Value("''", "nothing")
ALWAYS = Value("true", "always")
MESSAGES = Value("messages", "messages")


def _is_simple(text: str) -> bool:
    match = _SIMPLE.fullmatch(text)
    return match is not None and (text[0] != "(" or _is_one_bracket(text))


def _is_one_bracket(text: str) -> bool:
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return index == len(text) - 1
    return False


Fields = Mapping[str, tuple[str, str]]

FIELDS: dict[str, Fields] = {
    "message": {
        "Role": ("role", "text"),
        "Content": ("content", "text"),
        "Thinking": ("reasoning_content", "text"),
        "Images": ("images", "list"),
        "ToolCalls": ("tool_calls", "calls"),
        "ToolName": ("name", "text"),
        "ToolCallID": ("tool_call_id", "text"),
    },
    "call": {"Function": ("function", "called"), "ID": ("id", "text")},
    "called": {"Name": ("name", "text"), "Arguments": ("arguments", "json")},
    "tool": {"Type": ("type", "text"), "Function": ("function", "function")},
    "function": {
        "Name": ("name", "text"),
        "Description": ("description", "text"),
        "Parameters": ("parameters", "parameters"),
    },
    "parameters": {
        "Type": ("type", "text"),
        "Required": ("required", "list"),
        "Properties": ("properties", "properties"),
    },
    "property": {
        "Type": ("type", "text"),
        "Description": ("description", "text"),
        "Enum": ("enum", "list"),
    },
}
"""Go's field names of each kind: the key in the messages and tools of a request, and its kind."""

ELEMENTS = {
    "messages": "message", "calls": "call", "tools": "tool", "functions": "function",
    "properties": "property", "json": "any", "list": "text", "numbers": "number",
}  # fmt: skip
"""What a `range` over each kind gives."""
MAPPINGS = frozenset({"properties", "json"})
"""Kinds whose `range` goes over keys and values."""
PRINTED_AS_JSON = frozenset(
    {"tools", "tool", "function", "functions", "parameters", "properties", "property", "json",
     "calls", "call", "called"}
)  # fmt: skip


def printed(value: Value) -> str:
    """Return an expression that is written as Go would print the value."""
    if value.kind in PRINTED_AS_JSON:
        empty = "[]" if value.kind in ("tools", "calls", "functions") else "{}"
        return f"({value.text} or {empty}) | {AS_JSON}"
    if value.kind in ("bool", "always"):
        return f"'true' if {value.text} else 'false'"
    return value.text
