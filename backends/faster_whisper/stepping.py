"""Takes from a blocking iterator in a thread, and stops it when nobody wants more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Executor
from typing import TypeVar

from .model import CALL, Call, Stopped

T = TypeVar("T")


async def steps(
    items: Generator[T, None, None], call: Call, threads: Executor
) -> AsyncGenerator[T, None]:
    """Yield `items`, computed one by one as they are wanted.

    Closing this generator stops `call`, and returns when the engine has stopped.
    """

    def take() -> T | None:
        CALL.set(call)
        if call.stop.is_set():
            raise Stopped
        return next(items, None)

    loop = asyncio.get_running_loop()
    step = loop.run_in_executor(threads, take)
    try:
        while (item := await asyncio.shield(step)) is not None:
            yield item
            step = loop.run_in_executor(threads, take)
    finally:
        call.stop.set()
        await asyncio.wait({step})
        step.exception()  # it has been raised already, or nobody waits for it
        items.close()
