"""The engine: the one thread that computes, and the doors to and from the event loop."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backends.llama_cpp.engine.requests import AnswerStream, Generation, Item
from backends.llama_cpp.engine.steps import Stepper
from localai.errors import EngineFailed, WorkerStopped

log = logging.getLogger(__name__)

_FAILURES_IN_A_ROW = 2


@dataclass(frozen=True, slots=True)
class _Cancel:
    stream: AnswerStream


class _Stop:
    pass


class Engine:
    """Runs `stepper` on a thread of its own; all methods are for the event loop's thread.

    `on_death` is called on the engine's thread when it cannot go on; every answer has failed by
    then.
    """

    def __init__(self, stepper: Stepper, *, on_death: Callable[[], None]) -> None:
        self._stepper = stepper
        self._on_death = on_death
        self._inbox: queue.SimpleQueue[AnswerStream | _Cancel | _Stop] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="llama-engine", daemon=True)
        self._failures = 0
        self._is_dead = False

    def start(self) -> None:
        """Start the thread; answers arrive on the event loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Fail what runs, and wait until the thread has ended."""
        self._inbox.put(_Stop())
        self._thread.join()

    def submit(self, generations: Sequence[Generation]) -> AnswerStream:
        """Ask for texts; returns the stream of their events."""
        if self._is_dead:
            raise EngineFailed("The engine has failed; the worker is being restarted.")
        stream = AnswerStream(generations)
        self._inbox.put(stream)
        return stream

    def cancel(self, stream: AnswerStream) -> None:
        """End the answer on `stream` before the next step; nothing happens if it has ended."""
        self._inbox.put(_Cancel(stream))

    def figures(self) -> dict[str, float]:
        """Return the engine's counters and gauges."""
        stepper, counters = self._stepper, self._stepper.counters
        return {
            "prompt_tokens_total": counters.prompt_tokens,
            "cached_tokens_total": counters.cached_tokens,
            "predicted_tokens_total": counters.predicted_tokens,
            "decode_steps_total": counters.decode_steps,
            "cancelled_total": counters.cancelled,
            "failed_total": counters.failed,
            "sequences_running": len(stepper.running),
            "sequences_waiting": len(stepper.waiting),
            "kv_used_tokens": stepper.slots.held_tokens(),
        }

    def _work(self) -> None:
        while self._take_messages():
            try:
                self._stepper.step(before_decode=self._deliver)
                self._failures = 0
            except Exception:
                log.exception("a step failed")
                self._recover()
                self._deliver()
        self._deliver()

    def _take_messages(self) -> bool:
        """Take what has arrived, and wait for it while there is nothing to compute.

        Returns whether to go on.
        """
        while not self._is_dead:
            is_idle = self._stepper.is_idle()
            if is_idle:
                self._deliver()
            try:
                message = self._inbox.get(block=is_idle)
            except queue.Empty:
                return True
            if isinstance(message, _Stop):
                self._stepper.fail_all(WorkerStopped("The model is being unloaded."))
                return False
            self._take(message)
        return False

    def _take(self, message: AnswerStream | _Cancel) -> None:
        if isinstance(message, AnswerStream):
            self._stepper.add(message)
        else:
            self._stepper.cancel(message.stream)

    def _recover(self) -> None:
        """Fail all answers; after several failures in a row the engine is given up."""
        self._failures += 1
        self._is_dead = self._failures >= _FAILURES_IN_A_ROW
        self._stepper.fail_all(EngineFailed("The engine failed during this answer; try again."))
        if self._is_dead:
            log.critical("the engine failed %d times in a row and gives up", self._failures)
            self._on_death()

    def _deliver(self) -> None:
        """Hand over all that was said in one call: each wakes the event loop from its sleep.

        While answers run this waits for the next batch to be ready: the event loop then works while
        llama.cpp computes, instead of taking Python's lock between two computations.
        """
        outbox, self._stepper.outbox = self._stepper.outbox, []
        if outbox:
            self._loop.call_soon_threadsafe(_put_all, outbox)


def _put_all(outbox: Sequence[tuple[AnswerStream, Item]]) -> None:
    for stream, item in outbox:
        stream.put(item)
