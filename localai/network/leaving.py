"""Questions that can be left: who no longer wants the answer goes, and the question ends by itself.

What asks (a look-up of a name, a client of a hub, a server that is silent) cannot be interrupted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

Answer = TypeVar("Answer")
_LOOK = 0.05
"""Seconds between two looks at whether the answer is still wanted."""


class Cancel(Protocol):
    """What tells that nobody wants the answer any more, as an event does."""

    def is_set(self) -> bool:
        """Tell whether that is so."""


class Left(Exception):
    """Nobody wants the answer any more."""


def answer_unless_left(ask: Callable[[], Answer], cancel: Cancel | None) -> Answer:
    """Return what `ask` returns; raises Left as soon as `cancel` is set."""
    if cancel is None:
        return ask()
    ended = threading.Event()
    answer = begin(ask)
    answer.add_done_callback(lambda _: ended.set())
    while not ended.wait(_LOOK):
        if cancel.is_set():
            raise Left
    return answer.result()


def begin(ask: Callable[[], Answer]) -> Future[Answer]:
    """Call `ask` on a thread that keeps neither its caller nor the end of the process waiting."""
    future: Future[Answer] = Future()
    # Who waits for it on an event loop may go, but cannot stop it.
    future.set_running_or_notify_cancel()
    threading.Thread(target=_answer, args=(ask, future), name="asking", daemon=True).start()
    return future


def _answer(ask: Callable[[], Answer], future: Future[Answer]) -> None:
    try:
        future.set_result(ask())
    except BaseException as error:
        future.set_exception(error)
