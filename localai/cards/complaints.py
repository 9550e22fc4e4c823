"""What pydantic found wrong with data from YAML, one complaint a place, in plain words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from localai.cards.problems import Complaint, Location, dotted


def complaints_in(
    error: ValidationError,
    place_of: Callable[[ErrorDetails], Location],
    unknown_key: Callable[[Location], str],
) -> list[Complaint]:
    """Return one complaint a place: a union's branches each complain about the same value.

    `place_of` tells where a detail belongs, `unknown_key` what to say of a key that is not known.
    """
    places: dict[Location, list[ErrorDetails]] = {}
    for one in error.errors(include_url=False):
        places.setdefault(place_of(one), []).append(one)
    return [_complaint(place, errors, unknown_key) for place, errors in places.items()]


def _complaint(
    place: Location, errors: list[ErrorDetails], unknown_key: Callable[[Location], str]
) -> Complaint:
    match errors[0]["type"]:
        case "extra_forbidden":
            return Complaint(place, unknown_key(place))
        case "missing":
            return Complaint(place[:-1], f"the key '{dotted(place)}' is missing")
        case "json_invalid":
            return Complaint((), "holds half a character: a surrogate without its pair")
    prefix = f"{dotted(place)}: " if place else ""
    return Complaint(place, prefix + _plain(errors))


def _plain(errors: list[ErrorDetails]) -> str:
    # The branch of the right type has the more useful complaint.
    telling = [one for one in errors if not one["type"].endswith("_type")] or errors
    text = " or ".join(dict.fromkeys(map(_words, telling)))
    value = errors[0]["input"]
    if telling[0]["type"] == "value_error" or isinstance(value, dict | list | BaseModel):
        return text
    return f"{text}, not {_shown(value)}"


def _words(error: ErrorDetails) -> str:
    match error["type"]:
        case "too_short":
            return "must not be empty"
        case "string_pattern_mismatch":  # of checksums alone
            return "should be a SHA-256 checksum of 64 hex digits"
    text = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return text.replace("an object", "a mapping").replace("a valid array", "a list")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
