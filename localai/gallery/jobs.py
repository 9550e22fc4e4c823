"""Installations under way: each a job on a thread, taken up again after a restart."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from localai.concealing import concealed
from localai.errors import InvalidRequest, LocalAIError
from localai.gallery.job import Job
from localai.gallery.job_book import JobBook
from localai.gallery.job_threads import JobThreads
from localai.gallery.order import Order
from localai.gallery.watchers import Watchers
from localai.store.errors import Cancelled, FetchFailed, Offline
from localai.store.progress import Progress, Report

_log = logging.getLogger(__name__)
TRIED_AGAIN_AFTER = 300.0
"""Seconds after which a call may begin anew what has failed."""
PAUSES = (60.0, 120.0, 300.0, 600.0, 1800.0)
"""Seconds until a job whose server cannot be reached, or is busy, is tried again, by its failures
so far."""
_INTERNAL = "internal_error"
"""The code of a failure that nobody has foreseen: a mistake of our own."""
_PATIENCE = 3.0
"""Seconds that a job may take to end with the gateway while it only asks others."""
_MOST_PATIENCE = 8.0
"""The same for one that writes; containers are killed 10 s after they were asked to end."""

Perform = Callable[[Order, Report, threading.Event], Sequence[str]]
"""Does what an order says, and returns what is to be known of it, as sentences.

Raises LocalAIError, and Cancelled when the event is set.
"""


def next_try(failures: int, now: float, asked: float | None = None) -> float:
    """Return when a job is tried again that has failed `failures` times in a row.

    `asked` are the seconds that the server itself asked to wait, if it did.
    """
    return now + max(PAUSES[min(failures, len(PAUSES)) - 1], asked or 0.0)


class Jobs:
    """Runs orders on threads of its own; all methods may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        perform: Perform,
        *,
        at_once: int = 2,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._watchers = Watchers()
        self._book = JobBook(folder, self._watchers.tell, clock)
        self._changed = self._book.changed
        self._perform = perform
        self._clock = clock
        self._began = clock()
        self._cancels: dict[str, threading.Event] = {}
        self._threads = JobThreads(at_once)
        self._closing = False
        self._closed = False
        self.is_ending = False
        """Tells those who watch that no more will be told, although the jobs may go on later."""

    def resume(self, is_current: Callable[[Order], bool] = lambda _: True) -> Sequence[Job]:
        """Go on with what an earlier gateway left unfinished, or could not fetch for now.

        Orders that are not current any more, as their card was corrected, are dropped.
        """
        return self._go_on(self._book.own(), is_current)

    def take_over_left(self, is_current: Callable[[Order], bool] = lambda _: True) -> None:
        """Go on, as `resume` does, with what other gateways left that have ended meanwhile.

        It reads all records: not for a thread that others wait for.
        """
        with self._changed:
            left = [] if self._closing else self._book.take_over()
            begun = self._go_on(left, is_current)
        if begun:
            _log.info("goes on with %d jobs of a gateway that has ended", len(begun))

    def begin_due(self) -> None:
        """Try again what could not be fetched for now and has waited long enough."""
        now = self._clock()
        for job in self._book.own():
            if job.try_at is not None and job.try_at <= now:
                self._begin(job)

    def submit(self, order: Order, *, first: bool = False) -> Job:
        """Begin `order`; one that is under way is not begun twice, one that waits begins now.

        It goes `first` where somebody waits for it, as does all that came from a caller.
        """
        with self._changed:
            self._cancel_outdated(order)
            job = self.latest(order)
            if job is None or not job.is_expected:
                return self._begin(self._book.new(order), first=first)
            if not job.is_open:
                return self._begin(job, first=first)
            if first:
                self._threads.hasten(job.id)
            return job

    def submit_again(self, order: Order, *, first: bool = False) -> Job:
        """Begin `order` unless it failed, or was cancelled, a short while ago."""
        with self._changed:
            job = self.latest(order)
            if job is not None and not job.is_open and self._has_just_ended(job):
                return job
            if job is not None and job.state == "cancelling":
                return job
            return self.submit(order, first=first)

    def latest(self, order: Order) -> Job | None:
        """Return the newest job of this gateway that does `order`; older ones do not count."""
        return self._book.latest(order)

    def record(self, order: Order) -> Job:
        """Note an order that has been carried out already."""
        job = replace(self._book.new(order), state="done")
        self._book.keep(job)
        return job

    def list(self) -> list[Job]:
        """Return all jobs, the latest first, those of other gateways with this store too."""
        return self._book.all()

    def find(self, job_id: str) -> Job:
        """Return a job; raises ModelNotFound."""
        return self._book.find(job_id)

    def watch(self, job_id: str, tell: Callable[[], None]) -> Callable[[], None]:
        """Call `tell`, from any thread, whenever the job changes; returns what ends that."""
        return self._watchers.add(job_id, tell)

    def wait(self, job_id: str, timeout: float) -> Job:
        """Return the job when it has ended, or as it is after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._book[job_id].is_open, timeout)
            return self._book[job_id]

    def cancel(self, job_id: str) -> Job:
        """Stop a job; what it has fetched stays for the next time. Raises InvalidRequest."""
        with self._changed:
            job = self._book.claim(job_id)
            if job.is_elsewhere:
                raise InvalidRequest(
                    f"Another gateway with the same store has the job '{job_id}': cancel it there."
                )
            if not job.can_be_cancelled:
                raise InvalidRequest(f"The job '{job_id}' has ended already: it is {job.state}.")
            if job.state == "running" and job_id in self._cancels:
                self._book.change(job_id, state="cancelling")
                self._cancels[job_id].set()
            else:  # no thread has it, which could end it
                self._book.change(job_id, state="cancelled", try_at=None)
            return self._book[job_id]

    def end_watches(self) -> None:
        """Let all who watch a job go, since the gateway ends."""
        self.is_ending = True
        self._watchers.tell_all()

    def close(self) -> None:
        """Stop all jobs; the records stay open, so that the next gateway goes on.

        A job that does not end in time, as a server is slow to answer it, is left behind.
        """
        self.end_watches()
        with self._changed:
            self._closing = True
            for cancel in self._cancels.values():
                cancel.set()
            for job_id in self._threads.close():
                del self._cancels[job_id]
            self._changed.wait_for(lambda: not self._cancels, _PATIENCE)
            self._changed.wait_for(lambda: not self._any_writes(), _MOST_PATIENCE - _PATIENCE)
            self._closed = True
            left = len(self._cancels)
        if left:
            _log.warning("%d jobs did not end in time: the next start goes on with them", left)
        self._book.close()

    # --- beginning and ending ---

    def _go_on(self, left: Sequence[Job], is_current: Callable[[Order], bool]) -> Sequence[Job]:
        for job in left:
            is_wanted = job.is_expected and is_current(job.order)
            if (job.is_open or job.is_expected) and not is_wanted:  # by nobody any more
                self._book.change(job.id, state="cancelled", try_at=None)
        begun = [job for job in left if job.is_expected and self._book[job.id].is_expected]
        for job in begun:
            self._begin(job)
        return begun

    def _any_writes(self) -> bool:
        running = (self._book[job_id] for job_id in self._cancels)
        return any(job.files and job.phase != "resolving" for job in running)

    def _cancel_outdated(self, order: Order) -> None:
        for job in self._book.own():
            if job.can_be_cancelled and job.is_outdated_by(order):
                self.cancel(job.id)

    def _has_just_ended(self, job: Job) -> bool:
        if job.state == "done" or job.changed < self._began:
            return False  # a restart may have brought the token, the disk or the network
        # The environment stays as it is as long as this process lives.
        is_decided = job.code == Offline.default_code
        return is_decided or self._clock() - job.changed < TRIED_AGAIN_AFTER

    def _begin(self, job: Job, *, first: bool = False) -> Job:
        """Run a job that no thread has: a new one, one of an earlier gateway, or a failed one."""
        with self._changed:
            if job.id in self._cancels:
                return self._book[job.id]
            waiting = replace(job, state="waiting", error=None, code=None, status=None, try_at=None)
            self._book.keep(waiting)
            if not self._closing:  # else the next gateway does it
                self._cancels[job.id] = threading.Event()
                self._threads.submit(self._run, job.id, first=first or job.order.from_caller)
        return waiting

    def _run(self, job_id: str) -> None:
        with self._changed:
            job, cancel = self._book[job_id], self._cancels[job_id]
            if job.is_open and not self._closing:
                self._book.change(job_id, state="running", phase="resolving")
        ended: dict[str, Any] | None = None
        if job.is_open and not self._closing:
            ended = self._end_of(job, cancel)
        with self._changed:
            del self._cancels[job_id]
            if ended is not None and ended["state"] != "done" and self._is_cancelling(job_id):
                ended = {"state": "cancelled"}  # however it came to its end, nobody wants it
            # One that was left behind may end after all, when the next gateway has its record.
            if ended is not None and not self._closed:
                self._book.change(job_id, speed=0.0, **ended)
            self._changed.notify_all()

    def _end_of(self, job: Job, cancel: threading.Event) -> dict[str, Any] | None:
        """Do the work, and return what the job's end is; None where only the gateway ends."""
        try:
            notes = self._perform(job.order, lambda progress: self._note(job.id, progress), cancel)
        except Cancelled:
            only_ends = self._closing and not self._is_cancelling(job.id)
            return None if only_ends else {"state": "cancelled"}
        except FetchFailed as error:
            failures = job.failures + 1
            wait = next_try(failures, self._clock(), error.retry_after)
            return _failure(error) | (
                {"failures": failures, "try_at": wait} if error.retryable else {}
            )
        except LocalAIError as error:
            return _failure(error)
        except Exception as error:
            _log.exception("the job %s failed", job.id)
            told = f"Internal error: {type(error).__name__}: {error}. The log has the traceback."
            return _failure(LocalAIError(told, code=_INTERNAL))
        shown = tuple(concealed(note) for note in notes)
        return {"state": "done", "failures": 0, "notes": shown}

    def _is_cancelling(self, job_id: str) -> bool:
        return self._book[job_id].state == "cancelling"

    def _note(self, job_id: str, progress: Progress) -> None:
        with self._changed:
            if not self._closed:
                self._book.note(job_id, progress)


def _failure(error: LocalAIError) -> dict[str, Any]:
    return {
        "state": "failed", "error": concealed(error.message), "code": error.code,
        "status": error.status,
    }  # fmt: skip
