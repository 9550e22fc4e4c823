"""An installation as others see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["waiting", "running", "done", "failed", "cancelled"]
_OPEN: frozenset[State] = frozenset({"waiting", "running"})
CANCELLING = "cancelling"
"""The phase of a job that was cancelled and whose thread has not ended yet."""


@dataclass(frozen=True)
class Job:
    """One installation: what was ordered, and how far it is; times in seconds since 1970."""

    id: str
    order: Mapping[str, Any]
    state: State = "waiting"
    phase: str = "waiting"
    error: str | None = None
    code: str | None = None
    status: int | None = None
    """The HTTP status that the error stands for."""
    files: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    """Bytes that are here and bytes in all, by file."""
    file: str = ""
    """The file of which something was heard last."""
    speed: float = 0.0
    created: float = 0.0
    changed: float = 0.0
    failures: int = 0
    """How often in a row the other side could not be reached, or was busy."""
    try_at: float | None = None
    """When it is tried again by itself, None where it is not."""
    notes: tuple[str, ...] = ()
    """What is to be known of what was done, as sentences."""
    is_elsewhere: bool = False
    """Whether another gateway, with the same store, has it."""

    @property
    def done(self) -> int:
        """Bytes that are here."""
        return sum(done for done, _ in self.files.values())

    @property
    def total(self) -> int | None:
        """Bytes in all, None while that is not known."""
        totals = [total for _, total in self.files.values()]
        known = [total for total in totals if total is not None]
        return sum(known) if known and len(known) == len(totals) else None

    @property
    def is_open(self) -> bool:
        """Tell whether it has not ended."""
        return self.state in _OPEN

    @property
    def is_being_cancelled(self) -> bool:
        """Tell whether it will end soon, since somebody wants that."""
        return self.is_open and self.phase == CANCELLING

    @property
    def is_expected(self) -> bool:
        """Tell whether something will come of it: it is at work, waits, or is tried again."""
        return (self.is_open and not self.is_being_cancelled) or self.try_at is not None

    def is_outdated_by(self, order: Mapping[str, Any]) -> bool:
        """Tell whether `order` fetches for the same card something else, as it was corrected."""
        is_same = all(self.order.get(key) == order.get(key) for key in ("kind", "card"))
        return order.get("kind") == "fetch" and is_same and self.order != order

    @property
    def can_be_cancelled(self) -> bool:
        """Tell whether there is anything to stop: work, or the wait for another attempt."""
        return self.is_expected and not self.is_elsewhere
