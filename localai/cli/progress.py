"""How far something is, on the terminal's error stream and only for a person who watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Advance = Callable[[float, float], None]
"""Takes what is done and the whole, in any unit."""
_PARTS = 1000


@contextmanager
def progress_bar(label: str) -> Iterator[Advance]:
    """Show a bar that the given function moves."""
    with click.progressbar(
        length=_PARTS, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:

        def advance(done: float, whole: float) -> None:
            part = round(_PARTS * min(1.0, done / whole)) if whole > 0 else 0
            bar.update(max(0, part - bar.pos))

        yield advance
