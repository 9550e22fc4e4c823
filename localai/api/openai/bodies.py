"""The body that a worker gets: what the caller said, with the card's defaults for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localai.protocol.wire import Wire

_ANSWER_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})


def resolve_body(
    body: Mapping[str, Any], kind: type[Wire], defaults: Mapping[str, Any], model: str
) -> dict[str, Any]:
    """Return `body` for the worker of `model`; a null counts as left out.

    Only defaults that `kind` knows are filled in, and none beside the caller's own answer limit
    under its other name.
    """
    said = {name: value for name, value in body.items() if value is not None}
    left_out = set(kind.model_fields) - set(said)
    if _ANSWER_LIMITS & set(said):
        left_out -= _ANSWER_LIMITS
    filled = {name: value for name, value in defaults.items() if name in left_out}
    return {**filled, **said, "model": model}
