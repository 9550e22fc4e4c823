"""The one thread that draws: orders wait for their turn, and a caller who leaves ends theirs."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from PIL import Image

from backends.diffusers.memory import free_memory, is_out_of_memory, out_of_memory
from backends.diffusers.orders import Order
from backends.diffusers.painting import Interrupted, Painter, Watcher
from localai.errors import OutOfMemory
from localai.worker.results import Picture, Step

Event = Step | Picture | Exception | None


@dataclass
class Figures:
    """What `/metrics` shows."""

    running: int = 0
    pictures: int = 0
    steps: int = 0
    cancelled: int = 0


@dataclass(frozen=True, eq=False)
class _Job:
    """The orders of one request; `tell` takes what happens, None at the end."""

    orders: Sequence[Order]
    tell: Callable[[Event], None]
    left: threading.Event = field(default_factory=threading.Event)


class Studio:
    """Draws one picture at a time; an engine's memory is sized for one."""

    def __init__(self, painter: Painter) -> None:
        self.figures = Figures()
        self._painter = painter
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="studio")
        self._jobs: set[_Job] = set()

    async def draw(self, orders: Sequence[Order]) -> AsyncGenerator[Step | Picture, None]:
        """Draw all orders; closing the generator stops the engine after the step it is in."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()
        job = _Job(orders, lambda event: _hand_over(loop, events, event))
        self._jobs.add(job)
        self._thread.submit(self._work, job)
        try:
            while (event := await events.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            job.left.set()
            self._jobs.discard(job)

    def close(self) -> None:
        """End after the step that is being drawn."""
        for job in list(self._jobs):
            job.left.set()
        self._thread.shutdown(cancel_futures=True)

    def _work(self, job: _Job) -> None:
        self.figures.running += 1
        try:
            failure = self._draw_all(job)
        except Exception as error:  # not even the recovery went well; the caller has to hear of it
            failure = error
        finally:
            self.figures.running -= 1
        job.tell(failure)

    def _draw_all(self, job: _Job) -> Exception | None:
        for order in job.orders:
            failure = self._draw_one(job, order)
            if failure is None:
                continue
            if isinstance(failure, OutOfMemory):
                free_memory()
            self._painter.recover()
            return None if isinstance(failure, Interrupted) else failure
        return None

    def _draw_one(self, job: _Job, order: Order) -> Exception | None:
        """Draw one picture and return what went wrong, without the engine's frames.

        An exception holds the frames it came through, and they hold the engine's memory.
        """
        try:
            if job.left.is_set():
                raise Interrupted
            image = self._painter.paint(order, self._watcher(job, order))
        except Interrupted:
            self.figures.cancelled += 1
            return Interrupted()
        except Exception as error:
            if is_out_of_memory(error):
                return out_of_memory(*order.canvas.drawn)
            traceback.clear_frames(error.__traceback__)
            return error
        self.figures.pictures += 1
        job.tell(Picture(image, order.index))
        return None

    def _watcher(self, job: _Job, order: Order) -> Watcher:
        def on_step(done: int, total: int) -> None:
            self.figures.steps += 1
            if job.left.is_set():
                raise Interrupted
            job.tell(Step(order.index * total + done, len(job.orders) * total))

        def on_preview(image: Image.Image, number: int) -> None:
            job.tell(Picture(image, order.index, number))

        return Watcher(on_step, on_preview)


def _hand_over(loop: asyncio.AbstractEventLoop, events: asyncio.Queue[Event], event: Event) -> None:
    if not loop.is_closed():  # at the process's end the last step may outlive the loop
        loop.call_soon_threadsafe(events.put_nowait, event)
