"""Bytes and times as people read them in a log: `2.5 GB`, `3 min`."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB")


def shown_bytes(count: float) -> str:
    """Return `2.5 GB` for a number of bytes, in the decimal units that downloads are told in."""
    size, unit = float(count), 0
    while size >= 999.95 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{round(size)} B"


def shown_seconds(seconds: float) -> str:
    """Return `8 s`, `3 min` or `2 h 5 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
