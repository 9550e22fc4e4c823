"""How a command of the CLI ended."""

from __future__ import annotations

from typing import NamedTuple


class Ended(NamedTuple):
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str
