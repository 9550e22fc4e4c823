"""The body that a worker gets: what the caller said, with the card's defaults for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from pydantic import ValidationError

from localai.protocol.wire import Wire

_ANSWER_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
_MOST_AT_ODDS = 2
"""How many defaults one thing that a caller said can be at odds with."""


def resolve_body(
    body: Mapping[str, Any], kind: type[Wire], defaults: Mapping[str, Any], model: str
) -> dict[str, Any]:
    """Return `body` for the worker of `model`; a null counts as left out.

    Only defaults that `kind` knows and that go with what the caller said are filled in, and none
    beside the caller's own answer limit under its other name.
    """
    said = {name: value for name, value in body.items() if value is not None}
    left_out = set(kind.model_fields) - set(said)
    if _ANSWER_LIMITS & set(said):
        left_out -= _ANSWER_LIMITS
    filled = {name: value for name, value in defaults.items() if name in left_out}
    return {**_agreeing(filled, said, kind), **said, "model": model}


def _agreeing(
    filled: dict[str, Any], said: Mapping[str, Any], kind: type[Wire]
) -> Mapping[str, Any]:
    """Return all of `filled` that `kind` allows beside `said`, which it allows alone."""
    for count in range(min(_MOST_AT_ODDS, len(filled)) + 1):
        for yielding in combinations(filled, count):
            kept = {name: value for name, value in filled.items() if name not in yielding}
            if not kept or _is_allowed({**kept, **said}, kind):
                return kept
    return {}


def _is_allowed(body: dict[str, Any], kind: type[Wire]) -> bool:
    try:
        kind.model_validate(body)
    except ValidationError:
        return False
    return True
