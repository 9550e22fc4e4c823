"""Spans of time as people write them: `5m`, `1h30m`, `90s`, `300`, `0`, `-1` for ever."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def parse_duration(value: object) -> float:
    """Return the seconds in `value`; a negative number means for ever, `math.inf`."""
    if isinstance(value, str):
        return _parse_text(value.strip())
    if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
        return math.inf if value < 0 else float(value)
    raise ValueError(_expectation(value))


def format_duration(seconds: float) -> str:
    """Return `seconds` as `1h30m`, `45s` or `for ever`."""
    if math.isinf(seconds):
        return "for ever"
    left = round(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"


def _parse_text(text: str) -> float:
    if _NUMBER.fullmatch(text):
        return parse_duration(float(text))
    if not _WHOLE.fullmatch(text):
        raise ValueError(_expectation(text))
    return sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))


def _expectation(value: object) -> str:
    return (
        f"{value!r} is not a span of time: write '5m', '1h30m', '90s', a number of seconds, or -1"
    )


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "type": ["string", "number"],
            "examples": ["5m", "1h30m", 300, 0, -1],
            "description": "A span of time; -1 means for ever",
        }
    ),
]
"""Seconds as a float, read from any of the spellings above."""
