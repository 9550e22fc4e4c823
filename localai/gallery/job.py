"""An installation as others see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from localai.gallery.order import FetchOrder, Order
from localai.store import progress

State = Literal["waiting", "running", "cancelling", "done", "failed", "cancelled"]
"""With `cancelling` it was cancelled, and its thread has not ended yet."""
_OPEN: frozenset[State] = frozenset({"waiting", "running", "cancelling"})
Phase = Literal["resolving"] | progress.Phase


@dataclass(frozen=True)
class Job:
    """One installation: what was ordered, and how far it is; times in seconds since 1970."""

    id: str
    order: Order
    state: State = "waiting"
    phase: Phase = "resolving"
    """What it does while it runs."""
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
    def is_expected(self) -> bool:
        """Tell whether something will come of it: it is at work, waits, or is tried again."""
        return self.state in {"waiting", "running"} or self.try_at is not None

    def is_outdated_by(self, order: Order) -> bool:
        """Tell whether `order` fetches for the same card something else, as it was corrected."""
        if not isinstance(order, FetchOrder) or not isinstance(self.order, FetchOrder):
            return False
        return self.order.card == order.card and self.order != order

    @property
    def can_be_cancelled(self) -> bool:
        """Tell whether there is anything to stop: work, or the wait for another attempt."""
        return self.is_expected and not self.is_elsewhere
