"""Blocking work in a thread, and how it is stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest

from backends.faster_whisper.model import CALL, Call
from backends.faster_whisper.stepping import steps
from localai.errors import InvalidRequest
from tests.gateways import DEADLINE


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def numbers(closed: threading.Event) -> Generator[int, None, None]:
    try:
        number = 0
        while True:
            assert threading.current_thread() is not threading.main_thread()
            yield (number := number + 1)
    finally:
        closed.set()


async def test_items_are_computed_as_they_are_wanted(threads: ThreadPoolExecutor) -> None:
    call, closed = Call(), threading.Event()
    async with aclosing(steps(numbers(closed), call, threads)) as items:
        assert [await anext(items) for _ in range(3)] == [1, 2, 3]
        assert not call.stop.is_set()
    assert call.stop.is_set()
    assert closed.is_set()


async def test_end_is_the_end(threads: ThreadPoolExecutor) -> None:
    async def taken() -> list[int]:
        three = (number for number in (1, 2, 3))
        return [item async for item in steps(three, Call(), threads)]

    assert await taken() == [1, 2, 3]


async def test_engine_sees_its_own_call(threads: ThreadPoolExecutor) -> None:
    def seen() -> Generator[Call, None, None]:
        yield CALL.get()
        yield CALL.get()

    one, other = Call(), Call()
    first, second = steps(seen(), one, threads), steps(seen(), other, threads)
    assert [await anext(first), await anext(second)] == [one, other]
    assert [await anext(first), await anext(second)] == [one, other]
    await first.aclose()
    await second.aclose()


async def test_failure_reaches_the_caller(threads: ThreadPoolExecutor) -> None:
    def fail() -> Generator[int, None, None]:
        yield 1
        raise InvalidRequest("no sound", param="file")

    items = steps(fail(), Call(), threads)
    assert await anext(items) == 1
    with pytest.raises(InvalidRequest, match="no sound"):
        await anext(items)


async def test_leaving_waits_until_the_engine_has_stopped(threads: ThreadPoolExecutor) -> None:
    call, began, closed = Call(), threading.Event(), threading.Event()

    def work() -> Generator[int, None, None]:
        try:
            began.set()
            assert call.stop.wait(DEADLINE)
            yield 1
        finally:
            closed.set()

    async def take() -> None:
        async with aclosing(steps(work(), call, threads)) as items:
            await anext(items)

    task = asyncio.create_task(take())
    assert await asyncio.to_thread(began.wait, DEADLINE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()


async def test_call_that_was_given_up_before_its_turn_never_begins(
    threads: ThreadPoolExecutor,
) -> None:
    busy, began = threading.Event(), []

    def work() -> Generator[int, None, None]:
        began.append(1)
        yield 1

    async def take() -> None:
        async with aclosing(steps(work(), Call(), threads)) as items:
            await anext(items)

    blocking = threads.submit(busy.wait, DEADLINE)
    task = asyncio.create_task(take())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    busy.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert blocking.result(DEADLINE)
    assert began == []
