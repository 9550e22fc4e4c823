from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from localai.errors import EngineFailed, WorkerStopped
from localai.worker.shared_batches import BatchLimits, SharedBatches, choose_batch

PADDED = BatchLimits(texts=3, tokens=100, is_padded=True)
DENSE = BatchLimits(texts=8, tokens=20, is_padded=False)
DEADLINE = 10.0


@pytest.mark.parametrize(
    ("lengths", "leader", "limits", "chosen"),
    [
        ([5], 0, PADDED, range(1)),
        ([5, 5, 5, 5], 1, PADDED, range(3)),
        ([5, 5, 5, 5], 3, PADDED, range(1, 4)),
        # Filling 5 up to 200 would cost more than it saves.
        ([5, 200], 0, PADDED, range(1)),
        # Three of 40 are more than 100 tokens.
        ([40, 40, 40], 0, PADDED, range(2)),
        # A text larger than a batch is computed by itself.
        ([1, 1, 900], 2, PADDED, range(2, 3)),
        # Without padding only the sum counts.
        ([1, 2, 3, 16], 3, DENSE, range(2, 4)),
        ([1, 2, 3, 14], 0, DENSE, range(4)),
    ],
)
def test_like_lengths_are_computed_together(
    lengths: list[int], leader: int, limits: BatchLimits, chosen: range
) -> None:
    assert choose_batch(lengths, leader, limits) == chosen


class Adding:
    """Computes the sum of each text's tokens, batch by batch while the gate is open."""

    def __init__(self) -> None:
        self.batches: list[list[list[int]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()
        self.fails = False
        self.lost = 0

    def compute(self, batch: list[list[int]]) -> NDArray[np.float32]:
        self.batches.append(batch)
        self.began.set()
        self.gate.wait(DEADLINE)
        if self.fails:
            raise RuntimeError("broken")
        made = [[sum(tokens), len(tokens)] for tokens in batch]
        return np.array(made[self.lost :], np.float32)


@asynccontextmanager
async def running(adding: Adding, limits: BatchLimits = DENSE) -> AsyncIterator[SharedBatches]:
    batches = SharedBatches(adding.compute, limits)
    batches.start()
    try:
        async with asyncio.timeout(DEADLINE):
            yield batches
    finally:
        adding.gate.set()
        batches.stop()


@asynccontextmanager
async def held(adding: Adding, batches: SharedBatches) -> AsyncIterator[asyncio.Task[object]]:
    """Keep the thread busy with one text meanwhile."""
    adding.gate.clear()
    adding.began.clear()
    first: asyncio.Task[object] = asyncio.create_task(batches.vectors([[99]]))
    await asyncio.to_thread(adding.began.wait, DEADLINE)
    yield first
    adding.gate.set()
    await asyncio.wait({first})


async def test_vectors_come_in_the_order_of_the_texts() -> None:
    adding = Adding()
    async with running(adding, PADDED) as batches:
        vectors = await batches.vectors([[1] * n for n in (9, 2, 70, 1, 30)])
    assert vectors[:, 1].tolist() == [9, 2, 70, 1, 30]
    assert batches.figures()["texts_total"] == 5
    assert batches.figures()["prompt_tokens_total"] == 112


async def test_calls_that_wait_share_one_batch() -> None:
    adding = Adding()
    async with running(adding) as batches:
        async with held(adding, batches):
            calls = [asyncio.create_task(batches.vectors([[n]])) for n in range(6)]
            await asyncio.sleep(0)
        assert [float((await call)[0, 0]) for call in calls] == [0, 1, 2, 3, 4, 5]
    assert [len(batch) for batch in adding.batches] == [1, 6]
    assert batches.figures()["sequences_running"] == 0


async def test_a_small_call_is_not_kept_waiting_by_a_large_one() -> None:
    adding = Adding()
    async with running(adding) as batches:
        async with held(adding, batches):
            large = asyncio.create_task(batches.vectors([[1] * 15] * 30))
            await asyncio.sleep(0)
            small = asyncio.create_task(batches.vectors([[1] * 19]))
            await asyncio.sleep(0)
        await small
        await large
    assert [[len(t) for t in batch] for batch in adding.batches[:3]] == [[1], [15], [19]]


async def test_a_cancelled_call_is_not_computed() -> None:
    adding = Adding()
    async with running(adding) as batches:
        async with held(adding, batches):
            gone = asyncio.create_task(batches.vectors([[7]] * 50))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.wait({gone})
        await batches.vectors([[5]])
    assert adding.batches == [[[99]], [[5]]]
    assert batches.figures()["cancelled_total"] == 1
    assert batches.figures()["sequences_waiting"] == 0


async def test_a_failed_batch_fails_its_calls_and_the_thread_goes_on() -> None:
    adding = Adding()
    async with running(adding) as batches:
        adding.fails = True
        with pytest.raises(EngineFailed, match="RuntimeError: broken"):
            await batches.vectors([[1], [2]])
        adding.fails = False
        assert (await batches.vectors([[3]])).tolist() == [[3, 1]]
    assert batches.figures()["failed_total"] == 1


async def test_vectors_that_are_missing_fail_their_calls_and_the_thread_goes_on() -> None:
    adding = Adding()
    async with running(adding) as batches:
        adding.lost = 1
        with pytest.raises(EngineFailed, match="made 1 vectors of 2 texts"):
            await batches.vectors([[1], [2]])
        adding.lost = 0
        assert (await batches.vectors([[3]])).tolist() == [[3, 1]]
    assert batches.figures()["failed_total"] == 1
    assert batches.figures()["texts_total"] == 1


async def test_what_waits_at_the_end_is_told() -> None:
    adding = Adding()
    batches = SharedBatches(adding.compute, DENSE)
    batches.start()
    adding.gate.clear()
    first = asyncio.create_task(batches.vectors([[1]]))
    await asyncio.to_thread(adding.began.wait, DEADLINE)
    second = asyncio.create_task(batches.vectors([[2]] * 30))
    await asyncio.sleep(0)
    batches._inbox.put(None)  # as `stop` does, which then waits for the thread
    adding.gate.set()
    await asyncio.to_thread(batches._thread.join)
    assert (await first).tolist() == [[1, 1]]
    with pytest.raises(WorkerStopped):
        await second
