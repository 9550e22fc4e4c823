"""How far something is, on the terminal's error stream and only for a person who watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[float, float], None]
"""Takes what is done and the whole, in any unit."""


@contextmanager
def progress_bar(label: str) -> Iterator[Advance]:
    """Show a bar that the given function moves."""
    if not sys.stderr.isatty():
        yield lambda done, whole: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # What a command prints on standard output is for another program, and no part of the bar.
    with Progress(console=Console(stderr=True), redirect_stdout=False) as bars:
        task = bars.add_task(label, total=None)

        def advance(done: float, whole: float) -> None:
            if whole > 0:
                bars.update(task, completed=min(done, whole), total=whole)

        yield advance
