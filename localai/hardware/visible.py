"""The variables that hide GPUs from programs, as `CUDA_VISIBLE_DEVICES`."""

from __future__ import annotations

from collections.abc import Sequence


def visible(text: str | None, ids: Sequence[str]) -> list[int]:
    """Return the positions of the GPUs that are left, in the order that the variable gives them.

    `ids` are what the GPUs can be called beside their numbers, "" where nobody knows. None hides
    nothing. As CUDA does it, what stands behind an entry that names no GPU does not count: an empty
    text and -1 hide all of them.
    """
    if text is None:
        return list(range(len(ids)))
    left: list[int] = []
    for entry in text.split(","):
        position = _position(entry.strip().casefold(), ids)
        if position is None:
            break
        if position not in left:
            left.append(position)
    return left


def _position(entry: str, ids: Sequence[str]) -> int | None:
    if entry.isdecimal():
        return int(entry) if int(entry) < len(ids) else None
    # The beginning of an id is enough where it is one GPU's alone.
    called = [place for place, one in enumerate(ids) if entry and one.casefold().startswith(entry)]
    return called[0] if len(called) == 1 else None
