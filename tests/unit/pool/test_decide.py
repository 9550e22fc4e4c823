"""The pool's decisions, without processes and without a clock."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from localai.errors import LoadFailed, QueueFull, QueueTimeout, ShuttingDown, WorkerStopped
from localai.pool.decide import decide
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
    WorkerKey,
    WorkerLimits,
    WorkerState,
)

KEY = WorkerKey("m", "digest")
OTHER = WorkerKey("other", "digest")
BROKEN = LoadFailed("no such file")


@dataclass
class Scene:
    """A pool and a clock of its own; each step returns what shall be done."""

    limits: WorkerLimits = field(default_factory=WorkerLimits)
    policy: Policy = field(default_factory=Policy)
    pool: PoolState = field(default_factory=PoolState)
    now: float = 100.0

    def step(self, event: Event) -> list[Action]:
        self.pool, actions = decide(self.pool, event, self.now, self.policy)
        return actions

    def ask(self, ticket: int, key: WorkerKey = KEY) -> list[Action]:
        return self.step(Requested(key, ticket, self.limits))

    def started(self) -> Scene:
        """Bring the worker up with no call running."""
        self.ask(0)
        self.step(BecameReady(KEY))
        self.step(Left(KEY, 0))
        return self

    @property
    def worker(self) -> WorkerState:
        return self.pool.workers[KEY]

    def phase(self) -> Phase:
        return self.worker.phase


def test_first_calls_share_one_load() -> None:
    scene = Scene()
    assert scene.ask(1) == [Launch(KEY)]
    assert scene.ask(2) == []
    scene.step(Launched(KEY))
    assert scene.phase() is Phase.LOADING
    assert scene.ask(3) == []
    assert scene.step(BecameReady(KEY)) == [Grant(KEY, 1), Grant(KEY, 2), Grant(KEY, 3)]
    assert scene.phase() is Phase.BUSY


def test_ready_worker_grants_at_once() -> None:
    scene = Scene().started()
    assert scene.phase() is Phase.READY
    assert scene.ask(1) == [Grant(KEY, 1)]


def test_calls_beyond_the_limit_wait_in_order() -> None:
    scene = Scene(WorkerLimits(max_concurrent=1)).started()
    scene.ask(1)
    assert scene.ask(2) == scene.ask(3) == []
    assert scene.step(Left(KEY, 1)) == [Grant(KEY, 2)]
    assert scene.step(Left(KEY, 2)) == [Grant(KEY, 3)]


def test_full_queue_refuses_with_429_and_when_to_retry() -> None:
    scene = Scene(WorkerLimits(max_concurrent=1, queue=1)).started()
    scene.ask(1)
    scene.ask(2)
    (refusal,) = scene.ask(3)
    assert isinstance(refusal, Refuse)
    assert isinstance(refusal.error, QueueFull)
    assert refusal.error.status == 429
    assert refusal.error.headers()["retry-after"] == "1"


def test_queue_is_bounded_while_loading_too() -> None:
    scene = Scene(WorkerLimits(max_concurrent=2, queue=1))
    assert scene.ask(1) == [Launch(KEY)]
    assert scene.ask(2) == scene.ask(3) == []
    (refusal,) = scene.ask(4)
    assert isinstance(refusal, Refuse)
    assert isinstance(refusal.error, QueueFull)


def test_waiting_caller_that_leaves_frees_its_place() -> None:
    scene = Scene(WorkerLimits(max_concurrent=1, queue=1)).started()
    scene.ask(1)
    scene.ask(2)
    assert scene.step(Left(KEY, 2)) == []
    assert scene.ask(3) == []
    assert scene.step(Left(KEY, 1)) == [Grant(KEY, 3)]


def test_waiting_too_long_is_refused_but_not_while_loading() -> None:
    scene = Scene(WorkerLimits(max_concurrent=1, queue_timeout=10))
    scene.ask(1)
    scene.ask(2)
    scene.now += 60
    assert scene.step(Ticked()) == []
    scene.step(BecameReady(KEY))
    scene.now += 9
    assert scene.step(Ticked()) == []
    scene.now += 1
    (refusal,) = scene.step(Ticked())
    assert isinstance(refusal, Refuse)
    assert refusal.ticket == 2
    assert isinstance(refusal.error, QueueTimeout)
    assert refusal.error.status == 503


def test_failed_load_refuses_all_and_is_remembered() -> None:
    scene = Scene(policy=Policy(cooldown=5))
    scene.ask(1)
    scene.ask(2)
    assert scene.step(FailedToLoad(KEY, BROKEN)) == [Refuse(1, BROKEN), Refuse(2, BROKEN)]
    (refusal,) = scene.ask(3)
    assert isinstance(refusal, Refuse)
    assert "no such file" in refusal.error.message
    assert refusal.error.headers() == {"retry-after": "5", "x-should-retry": "false"}
    scene.now += 5
    assert scene.ask(4) == [Launch(KEY)]


def test_cooldown_doubles_with_each_failure_up_to_a_limit() -> None:
    assert [Policy(5, 300).pause(n) for n in (1, 2, 3, 7, 99)] == [5, 10, 20, 300, 300]


def test_success_forgets_failures() -> None:
    scene = Scene()
    scene.ask(1)
    scene.step(FailedToLoad(KEY, BROKEN))
    scene.now += 5
    scene.ask(2)
    scene.step(BecameReady(KEY))
    assert scene.worker.failures == 0
    assert scene.worker.error is None


def test_idle_worker_is_stopped_after_keep_alive() -> None:
    scene = Scene(WorkerLimits(keep_alive=30)).started()
    scene.now += 29
    assert scene.step(Ticked()) == []
    scene.now += 1
    assert scene.step(Ticked()) == [Stop(KEY)]
    assert scene.step(Ticked()) == []
    assert scene.step(Exited(KEY)) == []
    assert KEY not in scene.pool.workers


def test_keep_alive_counts_from_the_last_call() -> None:
    scene = Scene(WorkerLimits(keep_alive=30)).started()
    scene.now += 29
    scene.ask(1)
    scene.now += 100
    assert scene.step(Ticked()) == []
    scene.step(Left(KEY, 1))
    scene.now += 29
    assert scene.step(Ticked()) == []


def test_keep_alive_zero_stops_after_the_last_call() -> None:
    scene = Scene(WorkerLimits(keep_alive=0))
    scene.ask(1)
    scene.ask(2)
    assert scene.step(BecameReady(KEY)) == [Grant(KEY, 1), Grant(KEY, 2)]
    assert scene.step(Left(KEY, 1)) == []
    assert scene.step(Left(KEY, 2)) == [Stop(KEY)]


def test_pinned_worker_stays() -> None:
    scene = Scene(WorkerLimits(keep_alive=math.inf)).started()
    scene.now += 1e9
    assert scene.step(Ticked()) == []


def test_call_during_stop_gets_a_fresh_worker() -> None:
    scene = Scene(WorkerLimits(keep_alive=0)).started()
    assert scene.phase() is Phase.STOPPING
    assert scene.ask(1) == []
    assert scene.step(Exited(KEY)) == [Launch(KEY)]
    assert scene.step(BecameReady(KEY)) == [Grant(KEY, 1)]


def test_crash_of_a_busy_worker_keeps_those_who_wait() -> None:
    scene = Scene(WorkerLimits(max_concurrent=1)).started()
    scene.ask(1)
    scene.ask(2)
    assert scene.step(Exited(KEY)) == [Launch(KEY)]
    scene.step(Left(KEY, 1))
    assert scene.step(BecameReady(KEY)) == [Grant(KEY, 2)]


def test_crash_with_nobody_waiting_starts_nothing() -> None:
    scene = Scene().started()
    assert scene.step(Exited(KEY)) == []
    assert scene.ask(1) == [Launch(KEY)]


def test_stop_refuses_those_who_wait_and_ends_the_process() -> None:
    scene = Scene(WorkerLimits(max_concurrent=1)).started()
    scene.ask(1)
    scene.ask(2)
    refusal, stop = scene.step(StopAsked(KEY))
    assert isinstance(refusal, Refuse)
    assert isinstance(refusal.error, WorkerStopped)
    assert stop == Stop(KEY)
    assert scene.step(StopAsked(KEY)) == []


@pytest.mark.parametrize("event", [None, Launched(KEY)])
def test_stop_while_loading_ends_in_absence(event: Event | None) -> None:
    scene = Scene()
    scene.ask(1)
    if event is not None:
        scene.step(event)
    assert Stop(KEY) in scene.step(StopAsked(KEY))
    assert scene.step(FailedToLoad(KEY, BROKEN)) == []
    assert KEY not in scene.pool.workers


def test_ready_that_comes_after_stop_is_stopped() -> None:
    scene = Scene()
    scene.ask(1)
    scene.step(StopAsked(KEY))
    assert scene.step(BecameReady(KEY)) == [Stop(KEY)]


def test_stop_forgets_a_failure() -> None:
    scene = Scene()
    scene.ask(1)
    scene.step(FailedToLoad(KEY, BROKEN))
    scene.step(StopAsked(KEY))
    assert scene.ask(2) == [Launch(KEY)]


def test_changed_card_lets_accepted_calls_finish() -> None:
    scene = Scene(WorkerLimits(max_concurrent=1)).started()
    scene.ask(1)
    scene.ask(2)
    assert scene.step(Retired(frozenset({KEY}))) == []
    assert scene.step(Left(KEY, 1)) == [Grant(KEY, 2)]
    assert scene.step(Left(KEY, 2)) == [Stop(KEY)]


def test_changed_card_stops_an_idle_worker_and_no_other() -> None:
    scene = Scene().started()
    scene.ask(9, OTHER)
    assert scene.step(Retired(frozenset({KEY}))) == [Stop(KEY)]
    assert scene.pool.workers[OTHER].phase is Phase.LAUNCHING


def test_failed_worker_of_a_changed_card_is_forgotten() -> None:
    scene = Scene()
    scene.ask(1)
    scene.step(FailedToLoad(KEY, BROKEN))
    scene.step(Retired(frozenset({KEY})))
    assert KEY not in scene.pool.workers


def test_drain_refuses_and_stops_everything() -> None:
    scene = Scene(WorkerLimits(max_concurrent=1)).started()
    scene.ask(1)
    scene.ask(2)
    refusal, stop = scene.step(Drained())
    assert isinstance(refusal, Refuse)
    assert isinstance(refusal.error, ShuttingDown)
    assert stop == Stop(KEY)
    (late,) = scene.ask(3)
    assert isinstance(late, Refuse)
    assert isinstance(late.error, ShuttingDown)


def test_events_of_an_unknown_worker_change_nothing() -> None:
    scene = Scene()
    for event in (Left(KEY, 1), BecameReady(KEY), Exited(KEY), StopAsked(KEY)):
        assert scene.step(event) == []
    assert scene.pool == PoolState()


class RandomLife:
    """Throws events that can happen at a pool, and keeps book of what it decides."""

    def __init__(self, seed: int) -> None:
        limits = WorkerLimits(max_concurrent=2, queue=3, queue_timeout=5, keep_alive=3)
        self.scene = Scene(limits)
        self.dice = random.Random(seed)
        self.process: str | None = None
        self.running: set[int] = set()
        self.asked: list[int] = []
        self.ended: Counter[int] = Counter()

    def live(self, ticket: int) -> None:
        self.scene.now += self.dice.random()
        event = self._next_event(ticket)
        self._note_event(event)
        for action in self.scene.step(event):
            self._note_action(action)
        assert len(self.running) <= 2

    def _next_event(self, ticket: int) -> Event:
        if self.dice.random() < 0.5:
            self.asked.append(ticket)
            return Requested(KEY, ticket, self.scene.limits)
        possible: dict[str | None, list[Event]] = {
            None: [],
            "starting": [Launched(KEY), BecameReady(KEY), FailedToLoad(KEY, BROKEN)],
            "ready": [Exited(KEY), StopAsked(KEY)],
        }
        leaving = [Left(KEY, ticket) for ticket in self.running]
        return self.dice.choice([Ticked(), *possible[self.process], *leaving])

    def _note_event(self, event: Event) -> None:
        match event:
            case Exited() | FailedToLoad():
                self.process, self.running = None, set()
            case BecameReady():
                self.process = "ready"
            case Left(_, ticket):
                self.running.discard(ticket)

    def _note_action(self, action: Action) -> None:
        match action:
            case Launch():
                assert self.process is None, "two processes for one worker"
                self.process = "starting"
            case Stop():
                assert self.process is not None
            case Grant(_, ticket):
                self.ended[ticket] += 1
                self.running.add(ticket)
            case Refuse(ticket, _):
                self.ended[ticket] += 1

    def waiting(self) -> set[int]:
        worker = self.scene.pool.workers.get(KEY)
        return set(worker.waiting) if worker else set()


@pytest.mark.parametrize("seed", range(20))
def test_every_accepted_call_ends_exactly_once(seed: int) -> None:
    life = RandomLife(seed)
    for ticket in range(1, 400):
        life.live(ticket)
    waiting = life.waiting()
    assert len(life.asked) > 100
    assert all(life.ended[t] == (0 if t in waiting else 1) for t in life.asked)
