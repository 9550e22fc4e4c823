"""What to start, grant, queue, refuse and stop: a pure function of (state, event, time).

Fitting a new worker into memory by evicting others belongs here as well: `_on_requested` and
`_on_exited` are the two places that may launch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from localai.errors import LocalAIError, QueueFull, QueueTimeout, ShuttingDown, WorkerStopped
from localai.pool.state import (
    Action,
    BecameReady,
    Drained,
    Event,
    Exited,
    FailedToLoad,
    Grant,
    Launch,
    Launched,
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
    Ticket,
    WorkerState,
)

STARTING = frozenset({Phase.LAUNCHING, Phase.LOADING})
SERVING = frozenset({Phase.READY, Phase.BUSY})
_FULL_RETRY = 1.0

Outcome = tuple[WorkerState | None, list[Action]]


def decide(
    pool: PoolState, event: Event, now: float, policy: Policy
) -> tuple[PoolState, list[Action]]:
    """Return the pool after `event`, and what has to be done about it, in order."""
    if isinstance(event, Drained):
        return _drain(pool)
    if isinstance(event, Ticked):
        return _for_each(pool, lambda worker: _on_tick(worker, now))
    if isinstance(event, Retired):
        return _for_each(pool, lambda w: _on_retired(w, now) if w.key in event.keys else (w, []))
    if isinstance(event, Requested):
        return _put(pool, event.key, _on_requested(pool, event, now))
    worker = pool.workers.get(event.key)
    if worker is None:
        return pool, []
    return _put(pool, event.key, _HANDLERS[type(event)](worker, event, now, policy))


def _put(pool: PoolState, key: Any, outcome: Outcome) -> tuple[PoolState, list[Action]]:
    worker, actions = outcome
    workers = dict(pool.workers)
    if worker is not None:
        workers[key] = worker
    else:
        workers.pop(key, None)
    return PoolState(workers, pool.draining), actions


def _for_each(
    pool: PoolState, handle: Callable[[WorkerState], Outcome]
) -> tuple[PoolState, list[Action]]:
    actions: list[Action] = []
    for key, worker in list(pool.workers.items()):
        pool, more = _put(pool, key, handle(worker))
        actions += more
    return pool, actions


def _drain(pool: PoolState) -> tuple[PoolState, list[Action]]:
    actions: list[Action] = []
    workers = {}
    for key, worker in pool.workers.items():
        actions += _refuse_waiting(worker, _shutting_down())
        if worker.phase is not Phase.FAILED:
            actions.append(Stop(key))
            workers[key] = replace(worker, phase=Phase.STOPPING, waiting={})
    return PoolState(workers, draining=True), actions


def _on_requested(pool: PoolState, event: Requested, now: float) -> Outcome:
    worker = pool.workers.get(event.key)
    if pool.draining:
        return worker, [Refuse(event.ticket, _shutting_down())]
    if worker is None:
        fresh = WorkerState(event.key, event.limits, Phase.LAUNCHING, since=now)
        return _enqueue(fresh, event.ticket, now), [Launch(event.key)]
    if worker.phase is Phase.FAILED:
        return _retry_or_refuse(worker, event.ticket, now)
    if worker.phase in SERVING and len(worker.running) < worker.limits.max_concurrent:
        return _grant(worker, worker.running, {**worker.waiting, event.ticket: now}, now)
    # Those who will run as soon as the worker is ready do not count as waiting.
    starters = 0 if worker.phase in SERVING else worker.limits.max_concurrent
    if len(worker.waiting) >= worker.limits.queue + starters:
        return worker, [Refuse(event.ticket, _queue_full(worker))]
    return _enqueue(worker, event.ticket, now), []


def _retry_or_refuse(worker: WorkerState, ticket: Ticket, now: float) -> Outcome:
    if now < worker.retry_at:
        return worker, [Refuse(ticket, _cooling_down(worker, now))]
    launching = replace(worker, phase=Phase.LAUNCHING, since=now)
    return _enqueue(launching, ticket, now), [Launch(worker.key)]


def _on_left(worker: WorkerState, event: Left, now: float, policy: Policy) -> Outcome:
    waiting = _without(worker.waiting, event.ticket)
    if worker.phase not in SERVING:
        return replace(worker, waiting=waiting), []
    return _grant(worker, worker.running - {event.ticket}, waiting, now)


def _on_launched(worker: WorkerState, event: Launched, now: float, policy: Policy) -> Outcome:
    if worker.phase is not Phase.LAUNCHING:
        return worker, []
    return replace(worker, phase=Phase.LOADING, since=now), []


def _on_ready(worker: WorkerState, event: BecameReady, now: float, policy: Policy) -> Outcome:
    if worker.phase is Phase.STOPPING:
        return worker, [Stop(worker.key)]
    ready = replace(worker, phase=Phase.READY, since=now, failures=0, error=None)
    return _grant(ready, worker.running, dict.fromkeys(worker.waiting, now), now)


def _on_failed(worker: WorkerState, event: FailedToLoad, now: float, policy: Policy) -> Outcome:
    if worker.phase is Phase.STOPPING:
        return _on_exited(worker, Exited(worker.key), now, policy)
    failures = worker.failures + 1
    failed = replace(
        worker, phase=Phase.FAILED, since=now, waiting={}, running=frozenset(),
        failures=failures, error=event.error, retry_at=now + policy.pause(failures),
    )  # fmt: skip
    return (None if worker.retired else failed), _refuse_waiting(worker, event.error)


def _on_exited(worker: WorkerState, event: Exited, now: float, policy: Policy) -> Outcome:
    if not worker.waiting:
        return None, []
    again = replace(worker, phase=Phase.LAUNCHING, since=now, running=frozenset())
    return again, [Launch(worker.key)]


def _on_stop_asked(worker: WorkerState, event: StopAsked, now: float, policy: Policy) -> Outcome:
    if worker.phase is Phase.FAILED:
        return None, []
    stopped = WorkerStopped(f"The model '{worker.key.model}' was unloaded. Call again to load it.")
    refused = _refuse_waiting(worker, stopped)
    worker = replace(worker, waiting={})
    stopping, actions = _stop(worker, now)
    return stopping, refused + actions


def _on_retired(worker: WorkerState, now: float) -> Outcome:
    worker = replace(worker, retired=True)
    if worker.phase is Phase.FAILED:
        return None, []
    if worker.waiting or worker.running:
        return worker, []
    return _stop(worker, now)


def _on_tick(worker: WorkerState, now: float) -> Outcome:
    if worker.phase is Phase.READY and now - worker.since >= worker.limits.keep_alive:
        return _stop(worker, now)
    if worker.phase is not Phase.BUSY:
        return worker, []
    limit = worker.limits.queue_timeout
    late = [ticket for ticket, since in worker.waiting.items() if now - since >= limit]
    if late:
        worker = replace(worker, waiting=_without(worker.waiting, *late))
    return worker, [Refuse(ticket, _queue_timeout(worker)) for ticket in late]


def _stop(worker: WorkerState, now: float) -> Outcome:
    if worker.phase is Phase.STOPPING:
        return worker, []
    return replace(worker, phase=Phase.STOPPING, since=now), [Stop(worker.key)]


def _enqueue(worker: WorkerState, ticket: Ticket, now: float) -> WorkerState:
    return replace(worker, waiting={**worker.waiting, ticket: now})


def _without(waiting: Mapping[Ticket, float], *tickets: Ticket) -> Mapping[Ticket, float]:
    if not waiting:
        return waiting
    return {ticket: since for ticket, since in waiting.items() if ticket not in tickets}


def _grant(
    worker: WorkerState,
    running: frozenset[Ticket],
    waiting: Mapping[Ticket, float],
    now: float,
) -> Outcome:
    """Let as many waiting calls run as there is room; rest when nothing is left to do."""
    granted = tuple(islice(waiting, max(0, worker.limits.max_concurrent - len(running))))
    running = running.union(granted)
    phase = Phase.BUSY if running else Phase.READY
    since = worker.since if phase is worker.phase else now
    worker = replace(
        worker, phase=phase, since=since, running=running, waiting=_without(waiting, *granted)
    )
    if not running and (worker.retired or worker.limits.keep_alive == 0):
        return _stop(worker, now)
    return worker, [Grant(worker.key, ticket) for ticket in granted]


def _refuse_waiting(worker: WorkerState, error: LocalAIError) -> list[Action]:
    return [Refuse(ticket, error) for ticket in worker.waiting]


def _shutting_down() -> ShuttingDown:
    return ShuttingDown("The gateway is shutting down; try again in a moment.", retry_after=5)


def _queue_full(worker: WorkerState) -> QueueFull:
    limits = worker.limits
    return QueueFull(
        f"The model '{worker.key.model}' is busy: {len(worker.running)} calls run and "
        f"{len(worker.waiting)} wait. Try again later, or raise `limits.queue` "
        f"(now {limits.queue}) or `limits.max_concurrent` (now {limits.max_concurrent}).",
        retry_after=_FULL_RETRY,
    )


def _queue_timeout(worker: WorkerState) -> QueueTimeout:
    return QueueTimeout(
        f"No turn at the model '{worker.key.model}' within "
        f"{worker.limits.queue_timeout:g} seconds (`limits.queue_timeout`).",
        retry_after=_FULL_RETRY,
    )


def _cooling_down(worker: WorkerState, now: float) -> LocalAIError:
    error = worker.error
    assert error is not None
    left = worker.retry_at - now
    return type(error)(
        f"{error.message} (It failed {worker.failures} times in a row; the next try is possible "
        f"in {left:.0f} s, or at once when the card changes.)",
        param=error.param, code=error.code, details=error.details, retry_after=left,
    )  # fmt: skip


_HANDLERS: dict[type, Callable[[WorkerState, Any, float, Policy], Outcome]] = {
    Left: _on_left,
    Launched: _on_launched,
    BecameReady: _on_ready,
    FailedToLoad: _on_failed,
    Exited: _on_exited,
    StopAsked: _on_stop_asked,
}
