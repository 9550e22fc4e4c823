"""Owns every worker: one run loop takes events, asks `decide`, and carries out the actions."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from localai.cards.resolved import ResolvedCard
from localai.errors import LocalAIError
from localai.pool.decide import decide
from localai.pool.state import (
    Action,
    Drained,
    Event,
    Exited,
    FailedToLoad,
    Grant,
    Launch,
    Left,
    Phase,
    Policy,
    PoolState,
    Refuse,
    Requested,
    Retired,
    Stop,
    StopAsked,
    Ticked,
    WorkerKey,
    WorkerLimits,
    WorkerState,
)
from localai.pool.supervise import Launcher, Supervisor, Worker

TICK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker as people see it; times in seconds, memory in bytes."""

    model: str
    state: Phase
    pid: int | None
    running: int
    waiting: int
    started: float | None
    idle_seconds: float | None
    expires_in: float | None
    memory_bytes: int | None
    error: str | None


class Pool:
    """Leases workers to calls, starting and stopping processes as needed."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        policy: Policy,
        keep_alive: float = 300.0,
        lenient: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._launcher = launcher
        self._policy = policy
        self._keep_alive = keep_alive
        self._lenient = lenient
        self._clock = clock
        self._state = PoolState()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._tickets = itertools.count(1)
        self._turns: dict[int, asyncio.Future[Worker]] = {}
        self._cards: dict[WorkerKey, ResolvedCard] = {}
        self._supervisors: dict[WorkerKey, Supervisor] = {}

    async def run(self) -> None:
        """Take events until cancelled; nothing else ever changes the pool's state."""
        ticker = asyncio.create_task(self._tick())
        try:
            while True:
                self._take(await self._events.get())
        finally:
            ticker.cancel()

    @asynccontextmanager
    async def lease(self, card: ResolvedCard) -> AsyncIterator[Worker]:
        """Use a ready worker for `card`; waits for its load and for a turn.

        Raises QueueFull, QueueTimeout, LoadFailed and ShuttingDown.
        """
        key = WorkerKey(card.name, card.digest)
        ticket = next(self._tickets)
        turn = asyncio.get_running_loop().create_future()
        self._turns[ticket] = turn
        self._cards[key] = card
        self._post(Requested(key, ticket, self._limits(card)))
        try:
            yield await turn
        finally:
            del self._turns[ticket]
            self._post(Left(key, ticket))

    def retire_all_but(self, cards: Iterable[ResolvedCard]) -> None:
        """Stop, once idle, every worker whose card is not among `cards` any more."""
        live = {WorkerKey(card.name, card.digest) for card in cards}
        stale = {w.key for w in self._state.workers.values() if not w.retired} - live
        if stale:
            self._post(Retired(frozenset(stale)))

    async def stop(self, model: str) -> bool:
        """Unload `model` now; returns whether there was anything to unload."""
        keys = [key for key in self._state.workers if key.model == model]
        running = [self._supervisors[key] for key in keys if key in self._supervisors]
        for key in keys:
            self._post(StopAsked(key))
        for supervisor in running:
            await supervisor.wait()
        return bool(keys)

    async def close(self) -> None:
        """Refuse what waits, stop every worker, return when all processes are gone."""
        self._take(Drained())
        await asyncio.gather(*(s.wait() for s in list(self._supervisors.values())))
        self._launcher.close()

    def views(self) -> list[WorkerView]:
        """Return what there is to see, by model name."""
        return [self._view(worker) for _, worker in sorted(self._state.workers.items())]

    def _limits(self, card: ResolvedCard) -> WorkerLimits:
        limits, own = card.card.limits, card.card.keep_alive
        return WorkerLimits(
            max_concurrent=limits.max_concurrent,
            queue=limits.queue,
            queue_timeout=limits.queue_timeout,
            keep_alive=self._keep_alive if own is None else own,
        )

    def _post(self, event: Event) -> None:
        self._events.put_nowait(event)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._post(Ticked())

    def _take(self, event: Event) -> None:
        if isinstance(event, Exited | FailedToLoad):
            del self._supervisors[event.key]
        self._state, actions = decide(self._state, event, self._clock(), self._policy)
        for action in actions:
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        match action:
            case Launch(key):
                self._launch(key)
            case Stop(key):
                if supervisor := self._supervisors.get(key):
                    supervisor.stop()
            case Grant(key, ticket):
                self._grant(key, ticket)
            case Refuse(ticket, error):
                self._refuse(ticket, error)

    def _launch(self, key: WorkerKey) -> None:
        self._supervisors[key] = Supervisor(
            key, self._cards[key], self._launcher, self._post, lenient=self._lenient
        )

    def _grant(self, key: WorkerKey, ticket: int) -> None:
        worker = self._supervisors[key].worker
        assert worker is not None
        # A caller that went away has its `Left` in the queue already.
        with suppress(KeyError, asyncio.InvalidStateError):
            self._turns[ticket].set_result(worker)

    def _refuse(self, ticket: int, error: LocalAIError) -> None:
        with suppress(KeyError, asyncio.InvalidStateError):
            self._turns[ticket].set_exception(error)

    def _view(self, worker: WorkerState) -> WorkerView:
        supervisor = self._supervisors.get(worker.key)
        idle = self._clock() - worker.since if worker.phase is Phase.READY else None
        keep = worker.limits.keep_alive
        started = supervisor.worker.started if supervisor and supervisor.worker else None
        return WorkerView(
            model=worker.key.model,
            state=worker.phase,
            pid=supervisor.pid if supervisor else None,
            running=len(worker.running),
            waiting=len(worker.waiting),
            started=started,
            idle_seconds=idle,
            expires_in=None if idle is None or keep == float("inf") else max(0.0, keep - idle),
            memory_bytes=supervisor.memory_bytes() if supervisor else None,
            error=worker.error.message if worker.error else None,
        )
