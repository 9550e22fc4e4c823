"""Nothing asked for is silently ignored: what a backend cannot honour is refused or named."""

from __future__ import annotations

from collections.abc import Set

from localai.errors import UnsupportedParameter
from localai.protocol.wire import Wire, asked_parameters


def check_parameters(request: Wire, honoured: Set[str], *, model: str, lenient: bool) -> list[str]:
    """Return the names of the fields that the answer will not reflect.

    Raises UnsupportedParameter for a known parameter outside `honoured`, unless `lenient`.
    """
    refused = sorted(set(asked_parameters(request)) - honoured)
    if refused and not lenient:
        raise UnsupportedParameter(
            f"The model '{model}' cannot honour '{refused[0]}'. Leave it out, choose another "
            "model, or set `lenient: true` in its card to have it ignored.",
            param=refused[0],
        )
    return request.unknown_fields() + refused
