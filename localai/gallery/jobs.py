"""Installations under way: each a job with a record on disk, taken up again after a restart."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from localai.errors import InvalidRequest, LocalAIError, ModelNotFound
from localai.store.errors import Cancelled
from localai.store.progress import Progress, Report

_log = logging.getLogger(__name__)
State = Literal["waiting", "running", "done", "failed", "cancelled"]
_OPEN: frozenset[State] = frozenset({"waiting", "running"})
_KEPT_DAYS = 7
_TRIED_AGAIN_AFTER = 300.0
"""Seconds after which a call may begin anew what has failed."""
_SAVE_EVERY = 2.0
"""Seconds between two writes of a record while only its bytes change."""


@dataclass(frozen=True)
class Job:
    """One installation: what was ordered, and how far it is; times in seconds since 1970."""

    id: str
    order: Mapping[str, Any]
    state: State = "waiting"
    phase: str = "waiting"
    error: str | None = None
    code: str | None = None
    files: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    """Bytes that are here and bytes in all, by file."""
    speed: float = 0.0
    created: float = 0.0
    changed: float = 0.0

    @property
    def done(self) -> int:
        """Bytes that are here."""
        return sum(done for done, _ in self.files.values())

    @property
    def total(self) -> int | None:
        """Bytes in all, None while that is not known."""
        totals = [total for _, total in self.files.values()]
        known = [total for total in totals if total is not None]
        return sum(known) if known and len(known) == len(totals) else None

    @property
    def is_open(self) -> bool:
        """Tell whether it has not ended."""
        return self.state in _OPEN


Perform = Callable[[Mapping[str, Any], Report, threading.Event], None]
"""Does what an order says; raises LocalAIError, and Cancelled when the event is set."""


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
        self._folder = folder
        self._perform = perform
        self._clock = clock
        self._lock = threading.Lock()
        self._cancels: dict[str, threading.Event] = {}
        self._saved: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(at_once, "job")
        self._closing = False
        self._jobs = {job.id: job for job in _read_all(folder, clock())}

    def resume(self) -> list[Job]:
        """Go on with what an earlier gateway left unfinished."""
        left = [job for job in self.list() if job.is_open]
        for job in left:
            self._start(job)
        return left

    def submit(self, order: Mapping[str, Any]) -> Job:
        """Begin `order`; one that is already under way is not begun twice."""
        with self._lock:
            for job in self._jobs.values():
                if job.is_open and job.order == order:
                    return job
        now = self._clock()
        job = Job(uuid.uuid4().hex, dict(order), created=now, changed=now)
        self._keep(job, at_once=True)
        self._start(job)
        return job

    def submit_again(self, order: Mapping[str, Any]) -> Job:
        """Begin `order` unless it failed, or was cancelled, a short while ago."""
        for job in self.list():
            lately = self._clock() - job.changed < _TRIED_AGAIN_AFTER
            if job.order == order and (job.is_open or (lately and job.state != "done")):
                return job
        return self.submit(order)

    def list(self) -> list[Job]:
        """Return all jobs, the latest first."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: -job.created)

    def find(self, job_id: str) -> Job:
        """Return a job; raises ModelNotFound."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None:
            raise ModelNotFound(f"There is no job '{job_id}'. GET /models/jobs lists all jobs.")
        return job

    def cancel(self, job_id: str) -> Job:
        """Stop a job; what it has fetched stays for the next time. Raises InvalidRequest."""
        job = self.find(job_id)
        if not job.is_open:
            raise InvalidRequest(f"The job '{job_id}' has ended already: it is {job.state}.")
        self._cancels[job_id].set()
        return job

    def close(self) -> None:
        """Stop all threads; the records stay open, so that the next gateway goes on."""
        self._closing = True
        for cancel in self._cancels.values():
            cancel.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _start(self, job: Job) -> None:
        self._cancels[job.id] = threading.Event()
        self._threads.submit(self._run, job.id)

    def _run(self, job_id: str) -> None:
        cancel = self._cancels[job_id]
        try:
            if cancel.is_set():
                raise Cancelled("The job was cancelled before it began.")
            self._change(job_id, state="running", phase="resolving")
            self._perform(self.find(job_id).order, lambda p: self._note(job_id, p), cancel)
        except Cancelled:
            if not self._closing:
                self._change(job_id, state="cancelled", phase="cancelled", speed=0.0)
        except LocalAIError as error:
            self._fail(job_id, error.message, error.code)
        except Exception as error:
            _log.exception("the job %s failed", job_id)
            self._fail(job_id, f"{type(error).__name__}: {error}", None)
        else:
            self._change(job_id, state="done", phase="done", speed=0.0)

    def _fail(self, job_id: str, message: str, code: str | None) -> None:
        _log.error("the job %s failed: %s", job_id, message)
        self._change(job_id, state="failed", phase="failed", error=message, code=code, speed=0.0)

    def _note(self, job_id: str, progress: Progress) -> None:
        job = self.find(job_id)
        files = {**job.files, progress.path: (progress.done, progress.total)}
        changed = replace(
            job, phase=progress.phase, files=files, speed=progress.speed, changed=self._clock()
        )
        self._keep(changed, at_once=progress.phase != job.phase)

    def _change(self, job_id: str, **values: Any) -> None:
        self._keep(replace(self.find(job_id), changed=self._clock(), **values), at_once=True)

    def _keep(self, job: Job, *, at_once: bool) -> None:
        with self._lock:
            self._jobs[job.id] = job
            if not at_once and job.changed - self._saved.get(job.id, 0.0) < _SAVE_EVERY:
                return
            self._saved[job.id] = job.changed
            _write(self._folder / f"{job.id}.json", job)


def _write(path: Path, job: Job) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(asdict(job)), "utf-8")
    os.replace(part, path)


def _read_all(folder: Path, now: float) -> list[Job]:
    """Return the recorded jobs; ended ones are forgotten after some days, broken ones at once."""
    found = []
    for path in sorted(folder.glob("*.json")):
        job = _read(path)
        if job is not None and (job.is_open or now - job.changed < _KEPT_DAYS * 86_400):
            found.append(job)
        else:
            path.unlink(missing_ok=True)
    return found


def _read(path: Path) -> Job | None:
    try:
        values = json.loads(path.read_text("utf-8"))
        files = {name: (done, total) for name, (done, total) in values.pop("files").items()}
        return Job(files=files, **values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        _log.warning("the record %s of a job cannot be read and is removed: %s", path, error)
        return None
