"""The functions of Go templates, Ollama's and Sprig's, as Jinja expressions.

Sources: https://pkg.go.dev/text/template#hdr-Functions, https://masterminds.github.io/sprig/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from localai.cards.importers.go_values import (
    ALWAYS,
    AS_JSON,
    ELEMENTS,
    MESSAGES,
    NOTHING,
    Value,
    printed,
)

Arguments = Sequence[Value]


class UnknownFunction(Exception):
    """A function, or a use of it, that has no Jinja form here."""


def call(name: str, arguments: Arguments) -> Value:
    """Return what the function gives; raises UnknownFunction."""
    function = _FUNCTIONS.get(name)
    if function is None:
        raise UnknownFunction(f"the function '{name}' has no Jinja form here")
    try:
        return function(arguments)
    except (IndexError, ValueError) as error:
        raise UnknownFunction(f"'{name}' with {len(arguments)} values") from error


def is_empty(value: Value) -> bool | None:
    """Tell whether Go finds a value empty, None where only the request can tell."""
    if value.kind == "nothing":
        return True
    # A chat always has a message.
    return False if value.kind == "always" or value == MESSAGES else None


def _and(values: Arguments) -> Value:
    if any(is_empty(value) for value in values):
        return NOTHING
    *others, last = values
    return _chained([*(one for one in others if is_empty(one) is None), last], " and ")


def _or(values: Arguments) -> Value:
    kept: list[Value] = []
    for value in values:
        if is_empty(value) is not True:
            kept.append(value)
        if is_empty(value) is False:
            break
    return _chained(kept, " or ") if kept else NOTHING


def _chained(values: Arguments, between: str) -> Value:
    if len(values) == 1:
        return values[0]
    kinds = {value.kind for value in values}
    kind = kinds.pop() if len(kinds) == 1 else "any"
    return Value(between.join(value.operand for value in values), kind)


def _not(values: Arguments) -> Value:
    (value,) = values
    empty = is_empty(value)
    if empty is not None:
        return ALWAYS if empty else NOTHING
    return Value(f"not {value.operand}", "bool")


def _equal(values: Arguments) -> Value:
    first, *others = values
    if not others:
        raise IndexError
    return _chained([_same(first, other) for other in others], " or ")


def _same(left: Value, right: Value) -> Value:
    if left.kind == "nothing" or right.kind == "nothing":
        # A text, list or switch that is missing is as good as an empty one.
        return _not([right if left.kind == "nothing" else left])
    return Value(f"{left.present} == {right.present}", "bool")


def _differs(values: Arguments) -> Value:
    left, right = values
    return _not([_same(left, right)])


def _compare(sign: str) -> Callable[[Arguments], Value]:
    def compared(values: Arguments) -> Value:
        left, right = values
        return Value(f"{left.present} {sign} {right.present}", "bool")

    return compared


def _filter(text: str, kind: str) -> Callable[[Arguments], Value]:
    """Return a function of one value, which is a filter or a method of Jinja's."""

    def filtered(values: Arguments) -> Value:
        (value,) = values
        return Value(f"{value.present}{text}", kind)

    return filtered


def _form(form: str, kind: str) -> Callable[[Arguments], Value]:
    """Return a function whose values stand at {0}, {1} and so on."""
    wanted = len(set(re.findall(r"\{(\d)\}", form)))

    def formed(values: Arguments) -> Value:
        if len(values) != wanted:
            raise ValueError
        return Value(form.format(*(value.present for value in values)), kind)

    return formed


def _index(values: Arguments) -> Value:
    text, kind = values[0].operand, values[0].kind
    for key in values[1:]:
        text, kind = f"{text}[{key.text}]", ELEMENTS.get(kind, "any")
    return Value(text, kind)


def _slice(values: Arguments) -> Value:
    value, *ends = values
    first, last = (*[end.text for end in ends], "", "")[:2]
    return Value(f"{value.operand}[{first}:{last}]", value.kind)


def _printf(values: Arguments) -> Value:
    form, *others = values
    verbs = re.findall(r"%(.)", form.text)
    if not form.text.startswith(('"', "'")) or set(verbs) - set("svd%"):
        raise ValueError
    said = form.text.replace("%v", "%s")
    return Value(f"{said} | format({', '.join(one.text for one in others)})", "text")


def _print(values: Arguments) -> Value:
    # Between two values that are no texts, Go writes a blank.
    if any("text" not in (left.kind, right.kind) for left, right in pairwise(values)):
        raise ValueError
    shown = [Value(printed(value), "text") for value in values]
    return Value(" ~ ".join(value.operand for value in shown), "text")


def _ternary(values: Arguments) -> Value:
    yes, no, condition = values
    return Value(f"{yes.operand} if {condition.operand} else {no.operand}", yes.kind)


def _list(values: Arguments) -> Value:
    kind = "list" if all(value.kind == "text" for value in values) else "any"
    return Value(f"[{', '.join(value.text for value in values)}]", kind)


def _default(values: Arguments) -> Value:
    fallback, value = values
    return _or([value, fallback])


def _length(values: Arguments) -> Value:
    (value,) = values
    if value == MESSAGES:
        return Value("messages | length", "number")
    return Value(f"({value.text} or []) | length", "number")


_YESTERDAY = (
    "(('%04d-%02d-%02d' | format(year, month, day - 1)) if day > 1 else"
    " ('%04d-%02d-%02d' | format(year, month - 1, days[month - 2])) if month > 1 else"
    " ('%04d-12-31' | format(year - 1)))"
)
_TODAY = {
    "days": "[31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30]",
    "leap": "(year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))",
    "year": "(strftime_now('%Y') | int)",
    "month": "(strftime_now('%m') | int)",
    "day": "(strftime_now('%d') | int)",
}


def _yesterday(values: Arguments) -> Value:
    """Return the date before today's, which templates can only ask for by its parts."""
    if values:
        raise ValueError
    text = _YESTERDAY
    for name, meaning in _TODAY.items():
        text = meaning.join(re.split(rf"\b{name}\b", text))
    return Value(text, "text")


def _typescript(values: Arguments) -> Value:
    """Return the type of a tool's parameter as TypeScript has it."""
    (value,) = values
    if value.kind != "property":
        raise ValueError
    place = value.operand
    several = f"({place}.anyOf or []) | map(attribute='type') | list or {place}.type or ['any']"
    names = "".join(f" | map('replace', '{one}', '{_TYPES[one]}')" for one in _RENAMED)
    return Value(
        f"{_TYPES}.get({place}.type, 'any') if {place}.type is string"
        f" else ({several}){names} | join(' | ')",
        "text",
    )


_TYPES = {
    "string": "string", "number": "number", "integer": "number", "boolean": "boolean",
    "array": "any[]", "object": "Record<string, any>", "null": "null",
}  # fmt: skip
_RENAMED = [name for name, meaning in _TYPES.items() if name != meaning]


_JSON = _filter(f" | {AS_JSON}", "text")
_FUNCTIONS: dict[str, Callable[[Arguments], Value]] = {
    "and": _and, "or": _or, "not": _not, "eq": _equal, "ne": _differs,
    "lt": _compare("<"), "le": _compare("<="), "gt": _compare(">"), "ge": _compare(">="),
    "len": _length, "index": _index, "slice": _slice, "printf": _printf, "print": _print,
    # Ollama's
    "json": _JSON, "currentDate": lambda _: Value("strftime_now('%Y-%m-%d')", "text"),
    "yesterdayDate": _yesterday, "toTypeScriptType": _typescript,
    # Sprig's
    "toJson": _JSON, "toRawJson": _JSON, "mustToJson": _JSON, "default": _default,
    "coalesce": _or, "empty": _not, "ternary": _ternary, "list": _list,
    "trim": _filter(" | trim", "text"), "upper": _filter(" | upper", "text"),
    "lower": _filter(" | lower", "text"), "title": _filter(".title()", "text"),
    "toString": _filter(" | string", "text"), "int": _filter(" | int", "number"),
    "first": _filter("[0]", "any"), "last": _filter("[-1]", "any"),
    "trimPrefix": _form("{1}.removeprefix({0})", "text"),
    "trimSuffix": _form("{1}.removesuffix({0})", "text"),
    "trimAll": _form("{1}.strip({0})", "text"),
    "hasPrefix": _form("{1}.startswith({0})", "bool"),
    "hasSuffix": _form("{1}.endswith({0})", "bool"),
    "contains": _form("{0} in {1}", "bool"), "has": _form("{0} in {1}", "bool"),
    "replace": _form("{2} | replace({0}, {1})", "text"),
    "join": _form("{1} | join({0})", "text"), "repeat": _form("{1} * {0}", "text"),
    "add": _form("{0} + {1}", "number"), "sub": _form("{0} - {1}", "number"),
    "mod": _form("{0} % {1}", "number"), "add1": _form("{0} + 1", "number"),
}  # fmt: skip
