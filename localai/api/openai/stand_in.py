"""What a caller is told when the model that stands in for the one asked for refuses the call."""

from __future__ import annotations

import orjson

from localai.cards.resolved import ResolvedCard


def explained(body: bytes, meant: ResolvedCard, card: ResolvedCard) -> bytes:
    """Return an error's body that also says that it is `card`'s, in the place of `meant`."""
    try:
        told = orjson.loads(body)
        message = told["error"]["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body
    told["error"]["message"] = (
        f"{message} That is '{card.name}', which answers until '{meant.name}' is here: "
        "GET /models/jobs tells how far that is."
    )
    return orjson.dumps(told)
