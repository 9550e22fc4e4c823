"""All jobs as they are now: those of this gateway, kept in their records, and those of others."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from localai.errors import ModelNotFound
from localai.gallery.job import Job
from localai.gallery.job_records import JobRecords
from localai.gallery.order import Order
from localai.store.progress import Progress

_SAVE_EVERY = 2.0
"""Seconds between two writes of a record while only its bytes change."""


class JobBook:
    """The jobs by their ids; all methods may be called from any thread."""

    def __init__(
        self, folder: Path, tell: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        """Take over the jobs in `folder` that nobody has; `tell` hears which job has changed."""
        self.changed = threading.Condition()
        """Held, again and again, while several looks and changes must be one."""
        self._tell = tell
        self._clock = clock
        self._records = JobRecords(folder)
        self._saved: dict[str, float] = {}
        self._jobs = {job.id: job for job in self._records.take_over(clock())}

    def __getitem__(self, job_id: str) -> Job:
        """Return a job of this gateway."""
        with self.changed:
            return self._jobs[job_id]

    def own(self) -> list[Job]:
        """Return the jobs of this gateway."""
        with self.changed:
            return list(self._jobs.values())

    def all(self) -> list[Job]:
        """Return all jobs, the latest first, those of other gateways with this store too."""
        own = self.own()
        others = self._records.others({job.id for job in own})
        return sorted((*own, *others), key=lambda job: -job.created)

    def find(self, job_id: str) -> Job:
        """Return a job of any gateway; raises ModelNotFound."""
        with self.changed:
            job = self._jobs.get(job_id)
        if job is None:
            job = next((one for one in self._records.others(()) if one.id == job_id), None)
        if job is None:
            raise ModelNotFound(f"There is no job '{job_id}'. GET /models/jobs lists all jobs.")
        return job

    def take_over(self) -> list[Job]:
        """Take over what gateways have left that ended since the last look, and return it."""
        with self.changed:
            left = self._records.take_over_left(self._clock(), self._jobs)
            self._jobs |= {job.id: job for job in left}
            return left

    def claim(self, job_id: str) -> Job:
        """Return a job, which is this gateway's from now on unless another one has it.

        Raises ModelNotFound.
        """
        with self.changed:
            job = self.find(job_id)
            if job.id in self._jobs or job.is_elsewhere:
                return job
            claimed = self._records.claim(job_id)
            if claimed is None:  # another one was quicker
                return replace(job, is_elsewhere=True)
            self._jobs[job_id] = claimed
            return claimed

    def latest(self, order: Order) -> Job | None:
        """Return the newest job of this gateway that does `order`; older ones do not count."""
        same = [job for job in self.own() if job.order == order]
        return max(reversed(same), key=lambda job: job.created, default=None)

    def new(self, order: Order) -> Job:
        """Return a job that does `order`, which is not kept yet."""
        now = self._clock()
        return Job(uuid.uuid4().hex, order, created=now, changed=now)

    def keep(self, job: Job, *, at_once: bool = True) -> None:
        """Take a job as it is now, and write its record `at_once` or a little later."""
        with self.changed:
            self._jobs[job.id] = job
            if at_once or job.changed - self._saved.get(job.id, 0.0) >= _SAVE_EVERY:
                self._saved[job.id] = job.changed
                self._records.write(job)
            self.changed.notify_all()
        self._tell(job.id)

    def change(self, job_id: str, **values: Any) -> None:
        """Change some of what is known of a job."""
        with self.changed:
            self.keep(replace(self._jobs[job_id], changed=self._clock(), **values))

    def note(self, job_id: str, progress: Progress) -> None:
        """Take what a job that is at work tells of one of its files."""
        # Several files of a job tell at the same time, each from a thread of its own.
        with self.changed:
            job = self._jobs[job_id]
            if job.state != "running":
                return
            changed = replace(
                job,
                phase=progress.phase,
                files={**job.files, progress.path: (progress.done, progress.total)},
                file=progress.path,
                speed=progress.speed,
                changed=self._clock(),
            )
            self.keep(changed, at_once=progress.phase != job.phase)

    def close(self) -> None:
        """Leave the records to the next gateway."""
        self._records.close()
