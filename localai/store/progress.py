"""How far a download has come, how fast it is, and how long it still takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal["waiting", "fetching", "checking", "linked", "unpacking", "done"]


@dataclass(frozen=True)
class Progress:
    """One file at one moment; `done` and `total` in bytes, `speed` in bytes per second.

    `trouble` says what went wrong at the last attempt, until bytes come again.
    """

    path: str
    phase: Phase
    done: int
    total: int | None
    speed: float = 0.0
    trouble: str = ""

    @property
    def eta(self) -> float | None:
        """Seconds that are left at this speed, None where that is not known."""
        if self.total is None or self.speed <= 0:
            return None
        return max(0.0, (self.total - self.done) / self.speed)


Report = Callable[[Progress], None]


def ignore(_: Progress) -> None:
    """Report to nobody."""


class Meter:
    """The speed over the last `window` seconds, so that it follows the line and does not jump."""

    def __init__(self, window: float = 5.0) -> None:
        self._window = window
        self._samples: deque[tuple[float, int]] = deque()

    def speed(self, now: float, done: int) -> float:
        """Note that `done` bytes were there at `now`, and return bytes per second."""
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - self._window:
            self._samples.popleft()
        then, before = self._samples[0]
        return max(0.0, (done - before) / (now - then)) if now > then else 0.0
