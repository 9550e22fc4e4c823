"""A bar for each file of a download, on a terminal's standard error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from localai.cli.terminal import on_one_line
from localai.store.progress import Progress as FileProgress
from localai.store.progress import Report, ignore

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_WORDS = {
    "waiting": "waiting for another download",
    "fetching": "",
    "checking": "checking",
    "linked": "already here",
    "unpacking": "unpacking",
    "done": "done",
}


@contextmanager
def download_bars() -> Iterator[Report]:
    """Give a function that shows what it is told; where nobody watches, one that does nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        yield ignore
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Bars(*columns, console=console) as bars:
        yield _Bars(bars).show


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def show(self, progress: FileProgress) -> None:
        """Draw the state of one file; called from several threads."""
        with self._lock:
            if progress.path not in self._tasks:
                self._tasks[progress.path] = self._bars.add_task(
                    on_one_line(progress.path), total=progress.total, state=""
                )
        self._bars.update(
            self._tasks[progress.path],
            completed=progress.done,
            total=progress.total,
            state=_state(progress),
        )


def _state(progress: FileProgress) -> str:
    if progress.phase != "fetching" or progress.speed <= 0:
        return _WORDS[progress.phase]
    speed = f"{progress.speed / 2**20:.1f} MiB/s"
    return speed if progress.eta is None else f"{speed}, {_span(progress.eta)} left"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
