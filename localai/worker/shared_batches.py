"""Batches that several calls share: one thread computes all texts that wait, together."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from localai.errors import EngineFailed, LocalAIError, WorkerStopped
from localai.worker.long_input import Tokens

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]
Compute = Callable[[list[Tokens]], Vectors]
"""Returns the vector of each text of a batch, (texts, dimensions)."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What goes into one batch."""

    texts: int
    tokens: int
    """The most tokens of a batch of several texts, padding included."""
    is_padded: bool
    """Whether shorter texts are filled up to the longest, so that like lengths belong together."""

    def admit(self, shortest: int, longest: int, total: int, texts: int) -> bool:
        """Tell whether a batch of these lengths may be computed at once."""
        size = longest * texts if self.is_padded else total
        is_even = not self.is_padded or longest <= 8 + shortest + shortest // 2
        return texts <= self.texts and size <= self.tokens and is_even


def choose_batch(lengths: Sequence[int], leader: int, limits: BatchLimits) -> range:
    """Return which of the ascending `lengths` are computed next: those nearest to `leader`'s.

    The leader is always among them.
    """
    start, end, total = leader, leader + 1, lengths[leader]
    while True:
        below = lengths[start - 1] if start else None
        above = lengths[end] if end < len(lengths) else None
        fits_below = below is not None and limits.admit(
            below, lengths[end - 1], total + below, end - start + 1
        )
        fits_above = above is not None and limits.admit(
            lengths[start], above, total + above, end - start + 1
        )
        if fits_below and below is not None:
            start, total = start - 1, total + below
        elif fits_above and above is not None:
            end, total = end + 1, total + above
        else:
            return range(start, end)


@dataclass(eq=False, slots=True)
class _Call:
    """One call's texts, and their vectors as far as they are computed."""

    texts: list[Tokens]
    answer: asyncio.Future[Vectors]
    left: int
    vectors: Vectors | None = None
    is_cancelled: bool = False

    def take(self, index: int, vector: NDArray[np.float32]) -> None:
        if self.vectors is None:
            self.vectors = np.empty((len(self.texts), len(vector)), np.float32)
        self.vectors[index] = vector
        self.left -= 1


@dataclass(frozen=True, eq=False, slots=True)
class _Text:
    call: _Call
    index: int
    tokens: Tokens

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(slots=True)
class BatchCounters:
    """What the thread has done since it started."""

    batches: int = 0
    texts: int = 0
    tokens: int = 0
    cancelled: int = 0
    failed: int = 0


class SharedBatches:
    """Runs `compute` on a thread of its own; all methods are for the event loop's thread.

    Nothing waits for a batch to fill up: whatever has arrived when the thread is free is computed.
    Calls take turns at deciding which lengths come next, so that a small call is not kept waiting
    by a large one.
    """

    def __init__(self, compute: Compute, limits: BatchLimits) -> None:
        self.counters = BatchCounters()
        self._compute = compute
        self._limits = limits
        self._inbox: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._calls: deque[_Call] = deque()
        self._waiting: list[_Text] = []
        self._open = 0
        self._thread = threading.Thread(target=self._work, name="embeddings", daemon=True)

    def start(self) -> None:
        """Start the thread; vectors arrive on the event loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Fail what waits, and wait until the thread has ended."""
        self._inbox.put(None)
        self._thread.join()

    async def vectors(self, texts: list[Tokens]) -> Vectors:
        """Return the vector of each text, (texts, dimensions)."""
        call = _Call(texts, self._loop.create_future(), len(texts))
        self._open += 1
        self._inbox.put(call)
        try:
            return await call.answer
        except asyncio.CancelledError:
            call.is_cancelled = True
            self.counters.cancelled += 1
            raise
        finally:
            self._open -= 1

    def figures(self) -> dict[str, float]:
        """Return counters, and how many calls and texts there are now."""
        return {
            "sequences_running": self._open,
            "sequences_waiting": len(self._waiting),
            "batches_total": self.counters.batches,
            "texts_total": self.counters.texts,
            "prompt_tokens_total": self.counters.tokens,
            "cancelled_total": self.counters.cancelled,
            "failed_total": self.counters.failed,
        }

    def _work(self) -> None:
        while self._take_calls():
            batch = self._next_batch()
            if batch:
                self._run(batch)
        self._fail(self._calls, WorkerStopped("The model is being unloaded."))

    def _take_calls(self) -> bool:
        """Take the calls that have arrived, and wait for one while there is nothing to compute.

        Returns whether to go on.
        """
        arrived: list[_Text] = []
        while True:
            try:
                call = self._inbox.get(block=not self._waiting and not arrived)
            except queue.Empty:
                break
            if call is None:
                return False
            self._calls.append(call)
            arrived += [_Text(call, index, tokens) for index, tokens in enumerate(call.texts)]
        if arrived:
            self._waiting = sorted([*self._waiting, *arrived], key=len)
        return True

    def _next_batch(self) -> list[_Text]:
        self._drop_cancelled()
        if not self._waiting:
            return []
        leader = self._calls.popleft()
        place = next(n for n, text in enumerate(self._waiting) if text.call is leader)
        chosen = choose_batch([*map(len, self._waiting)], place, self._limits)
        batch = self._waiting[chosen.start : chosen.stop]
        del self._waiting[chosen.start : chosen.stop]
        self._calls.append(leader)
        return batch

    def _drop_cancelled(self) -> None:
        if any(call.is_cancelled for call in self._calls):
            self._forget([call for call in self._calls if call.is_cancelled])

    def _forget(self, calls: Iterable[_Call]) -> None:
        gone = set(map(id, calls))
        self._calls = deque(call for call in self._calls if id(call) not in gone)
        self._waiting = [text for text in self._waiting if id(text.call) not in gone]

    def _run(self, batch: list[_Text]) -> None:
        try:
            _distribute(batch, self._compute([text.tokens for text in batch]))
        except Exception as error:
            self._fail(list({id(text.call): text.call for text in batch}.values()), _typed(error))
            return
        self.counters.batches += 1
        self.counters.texts += len(batch)
        self.counters.tokens += sum(map(len, batch))
        complete = [call for call in self._calls if not call.left]
        if complete:
            self._forget(complete)
            self._loop.call_soon_threadsafe(_give_vectors, complete)

    def _fail(self, calls: Iterable[_Call], error: LocalAIError) -> None:
        failed = list(calls)
        self.counters.failed += len(failed)
        self._forget(failed)
        self._loop.call_soon_threadsafe(_give_error, failed, error)


def _distribute(batch: Sequence[_Text], vectors: Vectors) -> None:
    if len(vectors) != len(batch):
        raise EngineFailed(f"The engine made {len(vectors)} vectors of {len(batch)} texts.")
    for text, vector in zip(batch, vectors, strict=True):
        text.call.take(text.index, vector)


def _typed(error: Exception) -> LocalAIError:
    if isinstance(error, LocalAIError):
        return error
    log.error("a batch failed", exc_info=error)
    return EngineFailed(f"The engine failed: {type(error).__name__}: {error}.")


def _give_vectors(calls: Sequence[_Call]) -> None:
    for call in calls:
        if call.vectors is not None and not call.answer.done():
            call.answer.set_result(call.vectors)


def _give_error(calls: Sequence[_Call], error: LocalAIError) -> None:
    for call in calls:
        if not call.answer.done():
            call.answer.set_exception(error)
