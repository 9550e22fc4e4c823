"""Sizes as galleries write them: bytes, or rounded for people as `2.5 GB`."""

from __future__ import annotations

import re

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)
_STEPS = " KMGT"


def read_size(text: str) -> int | None:
    """Return the bytes of `484 MB`, `2.5GB` or `1.5 GiB`; None for what is no size."""
    found = _SIZE.fullmatch(text)
    if found is None:
        return None
    step = 1024 if found[3] else 1000
    power = _STEPS.index(found[2].upper() or " ")
    return round(float(found[1]) * float(step**power))
