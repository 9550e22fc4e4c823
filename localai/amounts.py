"""Bytes and times as people read and write them: `2.5 GB`, `3 min`.

Sizes are decimal everywhere, as in the lists of registries and shops: 1 GB is 1000 MB.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

GB = 10**9
_UNITS = ("B", "kB", "MB", "GB", "TB")
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)
_STEPS = " KMGT"
_SPANS = ((86400 * 365, "year"), (86400 * 30, "month"), (86400, "day"), (3600, "hour"),
          (60, "minute"), (1, "second"))  # fmt: skip


def shown_bytes(count: float) -> str:
    """Return `2.5 GB` for a number of bytes."""
    size, unit = float(count), 0
    while size >= 999.95 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{round(size)} B"


def read_size(text: str) -> int | None:
    """Return the bytes of `484 MB`, `2.5GB` or `1.5 GiB`; None for what is no size."""
    found = _SIZE.fullmatch(text)
    if found is None:
        return None
    step = 1024 if found[3] else 1000
    power = _STEPS.index(found[2].upper() or " ")
    return round(float(found[1]) * float(step**power))


def shown_seconds(seconds: float) -> str:
    """Return `8 s`, `3 min` or `2 h 5 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def shown_age(seconds: float) -> str:
    """Return `3 days ago` in the largest unit, `now` for less than a second."""
    for span, unit in _SPANS:
        if seconds >= span:
            count = int(seconds // span)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "now"


def _as_bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    if (count := read_size(value)) is None:
        raise ValueError(f"{value!r} is no size: write bytes, or as `484 MB` or `2.5 GB`")
    return count


Size = Annotated[int, BeforeValidator(_as_bytes), Field(ge=0)]
"""Bytes, which may be written rounded, as `2.5 GB`: for people and for estimates, never a check."""
