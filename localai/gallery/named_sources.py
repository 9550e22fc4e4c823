"""What a card names that would be fetched for it, so that it can be fetched before it is a card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from localai.cards.schema import Card

_ELSEWHERE = re.compile(r"(?!(file|package)://)[A-Za-z][A-Za-z0-9+.-]+://", re.IGNORECASE)


def named_sources(card: Card) -> list[str]:
    """Return every reference in `card` that leads away from this machine, each once."""
    content = card.model_dump(mode="json", exclude_unset=True)
    parts = (content.get("model"), content.get("options"), content.get("files"))
    texts = (text for part in parts for text in _texts(part))
    return list(dict.fromkeys(text for text in texts if _ELSEWHERE.match(text)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
