"""Installations under way: each a job on a thread, taken up again after a restart."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from localai.errors import InvalidRequest, LocalAIError, ModelNotFound
from localai.gallery.concealing import concealed
from localai.gallery.job import CANCELLING, Job
from localai.gallery.job_records import JobRecords
from localai.gallery.job_threads import JobThreads
from localai.store.errors import Cancelled, FetchFailed, Offline
from localai.store.progress import Progress, Report

_log = logging.getLogger(__name__)
TRIED_AGAIN_AFTER = 300.0
"""Seconds after which a call may begin anew what has failed."""
_SAVE_EVERY = 2.0
"""Seconds between two writes of a record while only its bytes change."""
PAUSES = (60.0, 120.0, 300.0, 600.0, 1800.0)
"""Seconds until a job whose server cannot be reached, or is busy, is tried again, by its failures
so far."""
_PATIENCE = 3.0
"""Seconds that a job may take to end with the gateway while it only asks others."""
_MOST_PATIENCE = 8.0
"""The same for one that writes; containers are killed 10 s after they were asked to end."""

Perform = Callable[[Mapping[str, Any], Report, threading.Event], Sequence[str] | None]
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
        self._records = JobRecords(folder)
        self._perform = perform
        self._clock = clock
        self._began = clock()
        self._changed = threading.Condition()
        self._cancels: dict[str, threading.Event] = {}
        self._saved: dict[str, float] = {}
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._threads = JobThreads(at_once)
        self._closing = False
        self._closed = False
        self.is_ending = False
        """Tells those who watch that no more will be told, although the jobs may go on later."""
        self._jobs = {job.id: job for job in self._records.take_over(self._began)}

    def resume(self, is_current: Callable[[Mapping[str, Any]], bool] = lambda _: True) -> list[Job]:
        """Go on with what an earlier gateway left unfinished, or could not fetch for now.

        Orders that are not current any more, as their card was corrected, are dropped.
        """
        with self._changed:
            known = list(self._jobs.values())
        for job in known:
            is_left = job.is_expected and is_current(job.order)
            if (job.is_open or job.is_expected) and not is_left:  # nobody wants it any more
                self._change(job.id, state="cancelled", phase="cancelled", try_at=None)
        left = [job for job in known if job.is_expected and self._jobs[job.id].is_expected]
        for job in left:
            self._begin(job)
        return left

    def begin_due(self) -> None:
        """Try again what could not be fetched for now and has waited long enough."""
        now = self._clock()
        with self._changed:
            waiting = [job for job in self._jobs.values() if job.try_at is not None]
        for job in waiting:
            if job.try_at is not None and job.try_at <= now:
                self._begin(job)

    def submit(self, order: Mapping[str, Any], *, first: bool = False) -> Job:
        """Begin `order`; one that is under way is not begun twice, one that waits begins now.

        It goes `first` where somebody waits for it, as does all that came from a caller.
        """
        with self._changed:
            self._cancel_outdated(order)
            job = self.latest(order)
            if job is None or not job.is_expected:
                return self._begin(self._new(order), first=first)
            if not job.is_open:
                return self._begin(job, first=first)
            if first:
                self._threads.hasten(job.id)
            return job

    def submit_again(self, order: Mapping[str, Any], *, first: bool = False) -> Job:
        """Begin `order` unless it failed, or was cancelled, a short while ago."""
        with self._changed:
            job = self.latest(order)
            if job is not None and not job.is_open and self._has_just_ended(job):
                return job
            if job is not None and job.is_being_cancelled:
                return job
            return self.submit(order, first=first)

    def latest(self, order: Mapping[str, Any]) -> Job | None:
        """Return the newest job of this gateway that does `order`; older ones do not count."""
        with self._changed:
            same = [job for job in self._jobs.values() if job.order == order]
        return max(reversed(same), key=lambda job: job.created, default=None)

    def record(self, order: Mapping[str, Any]) -> Job:
        """Note an order that has been carried out already."""
        job = replace(self._new(order), state="done", phase="done")
        self._keep(job, at_once=True)
        return job

    def list(self) -> list[Job]:
        """Return all jobs, the latest first, those of other gateways with this store too."""
        with self._changed:
            own = list(self._jobs.values())
        others = self._records.others({job.id for job in own})
        return sorted((*own, *others), key=lambda job: -job.created)

    def find(self, job_id: str) -> Job:
        """Return a job; raises ModelNotFound."""
        with self._changed:
            job = self._jobs.get(job_id)
        if job is None:
            job = next((one for one in self._records.others(()) if one.id == job_id), None)
        if job is None:
            raise ModelNotFound(f"There is no job '{job_id}'. GET /models/jobs lists all jobs.")
        return job

    def watch(self, job_id: str, tell: Callable[[], None]) -> Callable[[], None]:
        """Call `tell`, from any thread, whenever the job changes; returns what ends that."""
        with self._changed:
            self._watchers.setdefault(job_id, []).append(tell)

        def end() -> None:
            with self._changed:
                self._watchers[job_id].remove(tell)
                if not self._watchers[job_id]:
                    del self._watchers[job_id]

        return end

    def wait(self, job_id: str, timeout: float) -> Job:
        """Return the job when it has ended, or as it is after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs[job_id].is_open, timeout)
            return self._jobs[job_id]

    def cancel(self, job_id: str) -> Job:
        """Stop a job; what it has fetched stays for the next time. Raises InvalidRequest."""
        with self._changed:
            job = self.find(job_id)
            if job.is_elsewhere:
                raise InvalidRequest(
                    f"Another gateway with the same store has the job '{job_id}': cancel it there."
                )
            if not job.can_be_cancelled:
                raise InvalidRequest(f"The job '{job_id}' has ended already: it is {job.state}.")
            if job.state == "running":
                self._change(job_id, phase=CANCELLING)
                self._cancels[job_id].set()
            else:  # no thread has it, which could end it
                self._change(job_id, state="cancelled", phase="cancelled", try_at=None)
            return self._jobs[job_id]

    def end_watches(self) -> None:
        """Let all who watch a job go, since the gateway ends."""
        self.is_ending = True
        with self._changed:
            watchers = [tell for several in self._watchers.values() for tell in several]
        for tell in watchers:
            tell()

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
        self._records.close()

    # --- beginning and ending ---

    def _any_writes(self) -> bool:
        running = (self._jobs[job_id] for job_id in self._cancels)
        return any(job.files and job.phase != "resolving" for job in running)

    def _cancel_outdated(self, order: Mapping[str, Any]) -> None:
        for job in list(self._jobs.values()):
            if job.can_be_cancelled and job.is_outdated_by(order):
                self.cancel(job.id)

    def _new(self, order: Mapping[str, Any]) -> Job:
        now = self._clock()
        return Job(uuid.uuid4().hex, dict(order), created=now, changed=now)

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
                return self._jobs[job.id]
            waiting = replace(
                job, state="waiting", phase="waiting", error=None, code=None, status=None,
                try_at=None,
            )  # fmt: skip
            self._keep(waiting, at_once=True)
            if not self._closing:  # else the next gateway does it
                self._cancels[job.id] = threading.Event()
                self._threads.submit(self._run, job.id, first=first or "from_caller" in job.order)
        return waiting

    def _run(self, job_id: str) -> None:
        with self._changed:
            job, cancel = self._jobs[job_id], self._cancels[job_id]
            if job.is_open and not self._closing:
                self._change(job_id, state="running", phase="resolving")
        ended: dict[str, Any] | None = None
        if job.is_open and not self._closing:
            ended = self._end_of(job, cancel)
        with self._changed:
            del self._cancels[job_id]
            # One that was left behind may end after all, when the next gateway has its record.
            if ended is not None and not self._closed:
                self._change(job_id, speed=0.0, **ended)
            self._changed.notify_all()

    def _end_of(self, job: Job, cancel: threading.Event) -> dict[str, Any] | None:
        """Do the work, and return what the job's end is; None where only the gateway ends."""
        try:
            notes = self._perform(job.order, lambda progress: self._note(job.id, progress), cancel)
        except Cancelled:
            is_wanted = not self._jobs[job.id].is_being_cancelled
            only_ends = self._closing and is_wanted
            return None if only_ends else {"state": "cancelled", "phase": "cancelled"}
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
            return _failure(LocalAIError(f"{type(error).__name__}: {error}"))
        shown = tuple(concealed(note) for note in notes or ())
        return {"state": "done", "phase": "done", "failures": 0, "notes": shown}

    # --- keeping what is known ---

    def _note(self, job_id: str, progress: Progress) -> None:
        # Several files of a job tell at the same time, each from a thread of its own.
        with self._changed:
            job = self._jobs[job_id]
            if not job.is_open or job.is_being_cancelled or self._closed:
                return
            changed = replace(
                job,
                phase=progress.phase,
                files={**job.files, progress.path: (progress.done, progress.total)},
                file=progress.path,
                speed=progress.speed,
                changed=self._clock(),
            )
            self._keep(changed, at_once=progress.phase != job.phase)

    def _change(self, job_id: str, **values: Any) -> None:
        with self._changed:
            changed = replace(self._jobs[job_id], changed=self._clock(), **values)
            self._keep(changed, at_once=True)

    def _keep(self, job: Job, *, at_once: bool) -> None:
        with self._changed:
            self._jobs[job.id] = job
            if at_once or job.changed - self._saved.get(job.id, 0.0) >= _SAVE_EVERY:
                self._saved[job.id] = job.changed
                self._records.write(job)
            self._changed.notify_all()
            watchers = list(self._watchers.get(job.id, ()))
        for tell in watchers:
            tell()


def _failure(error: LocalAIError) -> dict[str, Any]:
    return {
        "state": "failed", "phase": "failed", "error": concealed(error.message),
        "code": error.code, "status": error.status,
    }  # fmt: skip
