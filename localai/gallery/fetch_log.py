"""What the log tells of a download: its start, a line now and then, and its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from localai.amounts import shown_bytes, shown_seconds
from localai.store.progress import Progress

_log = logging.getLogger(__name__)
_STEP = 0.1
"""The part of a file that must come between two lines about it."""
_EVERY = 30.0
"""Seconds that must pass between two lines about a file."""


@dataclass
class _File:
    size: int
    is_fetched: bool = False
    told_at: float = 0.0
    told_bytes: int = 0


class FetchLog:
    """Tells how one model comes; `note` may be called from several threads."""

    def __init__(self, model: str, clock: Callable[[], float]) -> None:
        self._model = model
        self._clock = clock
        self._began = clock()
        self._files: dict[str, _File] = {}
        self._lock = threading.Lock()
        self.has_received = False
        """Whether any byte has come over the line."""

    def note(self, progress: Progress) -> None:
        """Take note of how far one file is, and write a line if it is time for one."""
        with self._lock:
            file = self._files.get(progress.path)
            if file is None:
                file = self._files[progress.path] = _File(progress.done)
            came = progress.phase == "fetching" and progress.done > file.size
            self.has_received = self.has_received or came or progress.phase == "done"
            file.size = progress.done
            if progress.phase == "fetching" and progress.done:
                self._tell(file, progress)

    def end(self) -> str:
        """Return what came in which time, as `2.5 GB in 3 min`."""
        fetched = sum(file.size for file in self._files.values() if file.is_fetched)
        if not fetched:
            return "nothing had to be fetched"
        return f"{shown_bytes(fetched)} in {shown_seconds(self._clock() - self._began)}"

    def _tell(self, file: _File, progress: Progress) -> None:
        now = self._clock()
        if not file.is_fetched:
            file.is_fetched = True
            size = "of unknown size" if progress.total is None else shown_bytes(progress.total)
            _log.info("fetching %s (%s) for the model '%s'", progress.path, size, self._model)
        elif not self._is_time(file, progress, now):
            return
        else:
            _log.info("%s of '%s': %s", progress.path, self._model, _how_far(progress))
        file.told_at, file.told_bytes = now, progress.done

    def _is_time(self, file: _File, progress: Progress, now: float) -> bool:
        step = 0 if progress.total is None else progress.total * _STEP
        is_whole = progress.done == progress.total  # the end has a line of its own
        came = progress.done - file.told_bytes
        return not is_whole and came >= step and now - file.told_at >= _EVERY


def _how_far(progress: Progress) -> str:
    speed = f"{shown_bytes(progress.speed)}/s"
    if progress.total is None:
        return f"{shown_bytes(progress.done)}, {speed}"
    part = f"{shown_bytes(progress.done)} of {shown_bytes(progress.total)}"
    percent = f"{100 * progress.done / progress.total:.0f} %"
    left = "stalled" if progress.eta is None else f"{shown_seconds(progress.eta)} left"
    return f"{part} ({percent}), {speed}, {left}"
