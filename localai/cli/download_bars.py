"""How a download goes on: a bar for each file on a terminal, else a line now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from localai.amounts import shown_bytes, shown_seconds
from localai.cli.terminal import on_one_line
from localai.store.progress import Progress as FileProgress
from localai.store.progress import Report

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_LINE_EVERY = 10.0
"""Seconds between two lines of one file."""
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
    """Give a function that shows on standard error what it is told."""
    from rich.console import Console

    console = Console(stderr=True)
    try:
        if console.is_terminal:
            with _bars(console) as bars:
                yield _Bars(bars).show
        else:
            yield DownloadLines().show
    except KeyboardInterrupt:
        click.echo("Stopped: the same command goes on where it was.", err=True)
        raise


def _bars(console: Console) -> Progress:
    from rich.progress import BarColumn, DownloadColumn, TextColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=False),
        TextColumn("{task.fields[state]}", markup=False),
        console=console,
        redirect_stdout=False,
    )


class DownloadLines:
    """A line for each file every ten seconds, and when it is there after such lines.

    What comes sooner needs none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}
        self._begun: set[str] = set()
        self._lock = threading.Lock()

    def show(self, progress: FileProgress) -> None:
        """Write how far a file is; called from several threads."""
        with self._lock:
            if self._is_due(progress):
                click.echo(_line(progress), err=True)

    def _is_due(self, progress: FileProgress) -> bool:
        path, now = progress.path, self._clock()
        if progress.phase == "done":
            return path in self._begun
        if now < self._last.setdefault(path, now) + _LINE_EVERY:
            return False
        self._last[path] = now
        self._begun.add(path)
        return True


def _line(progress: FileProgress) -> str:
    of = "" if progress.total is None else f" of {shown_bytes(progress.total)}"
    state = _state(progress)
    amount = f"{shown_bytes(progress.done)}{of}"
    return f"{on_one_line(progress.path)}: {amount}{f', {state}' if state else ''}"


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
    if progress.trouble:
        return progress.trouble
    if progress.phase != "fetching" or progress.speed <= 0:
        return _WORDS[progress.phase]
    speed = f"{shown_bytes(progress.speed)}/s"
    return speed if progress.eta is None else f"{speed}, {shown_seconds(progress.eta)} left"
