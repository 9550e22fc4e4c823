"""The pool's vocabulary: what it knows, what happens to it, what it does about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from localai.errors import LocalAIError

Ticket = int
"""One accepted request, waiting or running."""


class WorkerKey(NamedTuple):
    """Which worker: a changed card has another digest, and so another worker."""

    model: str
    digest: str


class Phase(StrEnum):
    """Where a worker is in its life; one that is not in the pool is absent."""

    LAUNCHING = "launching"
    LOADING = "loading"
    READY = "ready"
    BUSY = "busy"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What the card allows; times in seconds."""

    max_concurrent: int = 8
    queue: int = 64
    queue_timeout: float = math.inf
    keep_alive: float = 300.0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker as the pool sees it; `now` values are of the pool's monotonic clock."""

    key: WorkerKey
    limits: WorkerLimits
    phase: Phase
    running: frozenset[Ticket] = frozenset()
    waiting: Mapping[Ticket, float] = field(default_factory=dict)
    """Since when each waiting call could have had a turn, in the order of their turns."""
    since: float = 0.0
    """When the phase began."""
    failures: int = 0
    retry_at: float = 0.0
    error: LocalAIError | None = None
    retired: bool = False
    """The card has changed or gone: finish what is accepted, then stop."""


@dataclass(frozen=True, slots=True)
class PoolState:
    """All workers, and whether the pool still takes requests."""

    workers: Mapping[WorkerKey, WorkerState] = field(default_factory=dict)
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a failed load is remembered: doubling from `cooldown` to `longest`, in seconds."""

    cooldown: float = 5.0
    longest: float = 300.0

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after failure number `failures` in a row."""
        return min(self.longest, self.cooldown * 2.0 ** min(failures - 1, 30))


@dataclass(frozen=True, slots=True)
class Requested:
    """A call wants the worker."""

    key: WorkerKey
    ticket: Ticket
    limits: WorkerLimits


@dataclass(frozen=True, slots=True)
class Left:
    """A call is over, or its caller went away while it waited."""

    key: WorkerKey
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Launched:
    """The process runs and loads its model."""

    key: WorkerKey


@dataclass(frozen=True, slots=True)
class BecameReady:
    """The worker listens."""

    key: WorkerKey


@dataclass(frozen=True, slots=True)
class FailedToLoad:
    """The worker did not become ready, and its process is gone."""

    key: WorkerKey
    error: LocalAIError


@dataclass(frozen=True, slots=True)
class Exited:
    """The process of a worker that was ready is gone, asked or not."""

    key: WorkerKey


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the model unloaded now."""

    key: WorkerKey


@dataclass(frozen=True, slots=True)
class Retired:
    """The card of these workers has changed or gone."""

    keys: frozenset[WorkerKey]


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The gateway ends."""


Event = (
    Requested | Left | Launched | BecameReady | FailedToLoad | Exited | StopAsked | Retired
    | Ticked | Drained
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Launch:
    """Start a process for this worker."""

    key: WorkerKey


@dataclass(frozen=True, slots=True)
class Grant:
    """Let the call use the worker."""

    key: WorkerKey
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Refuse:
    """End the call with `error`."""

    ticket: Ticket
    error: LocalAIError


@dataclass(frozen=True, slots=True)
class Stop:
    """End the worker's process."""

    key: WorkerKey


Action = Launch | Grant | Refuse | Stop
