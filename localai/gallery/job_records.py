"""The records of jobs on disk: one JSON file each, written only by the gateway that has the job."""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
import weakref
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from localai.file_locks import is_locked, open_locked, try_lock
from localai.files import replace_text
from localai.gallery.job import Job
from localai.gallery.order import as_json, read_order

_log = logging.getLogger(__name__)
_KEPT_DAYS = 7
_MARK = ".gateway-"
"""Each gateway holds a lock on a file of this beginning, which ends with its process."""
_FOR_US_ALONE = 0o600  # orders may hold tokens
_PATIENCE = 0.5
"""Seconds to wait for a gateway that is taking over jobs; it takes some milliseconds."""


class _Busy(Exception):
    """Another gateway is taking over jobs."""


@dataclass(frozen=True)
class _Record:
    owner: str
    """Which gateway has the job; empty where the record does not tell."""
    job: Job | None
    """None for one that is broken, or of a newer version."""


class JobRecords:
    """The records in `folder`, which is made at the first write, as one gateway uses them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = uuid.uuid4().hex
        self._mark: weakref.finalize[..., JobRecords] | None = None
        self._told = False
        self._unread: set[Path] = set()
        self._knows_the_dead = True
        """Whether locks tell who lives: some file systems have none, and all seem dead there."""

    def write(self, job: Job) -> None:
        """Write a job's record, whole or not at all; a full disk is told and ends no job."""
        try:
            self._make_known()
            self._write(job)
            self._told = False
        except OSError as error:
            self._tell(error)

    def take_over(self, now: float, known: Container[str] = ()) -> list[Job]:
        """Return the jobs that no living gateway has, which are this one's from now on.

        Ended ones are forgotten after some days, broken ones at once; `known` are left out. What
        another gateway is just looking at is left to it, and to later rounds.
        """
        return self._taken_over(now, known, at_start=True)

    def take_over_left(self, now: float, known: Container[str]) -> list[Job]:
        """Do as `take_over` does while other gateways may be at work, whose jobs stay theirs.

        It never waits, and removes no record that it does not understand.
        """
        return self._taken_over(now, known, at_start=False) if self._knows_the_dead else []

    def claim(self, job_id: str) -> Job | None:
        """Return a job, this gateway's from now on, unless a living one has it."""
        try:
            self._make_known()
            with self._alone(_PATIENCE):
                record = _read(self._folder / f"{job_id}.json")
                if record.job is None or self._is_at_work(record.owner):
                    return None
                self._write(record.job)
                return record.job
        except (_Busy, FileNotFoundError):
            return None
        except OSError as error:
            self._tell(error)
            return None

    def others(self, known: Container[str]) -> list[Job]:
        """Return the jobs of other gateways, all but those in `known`.

        What one has left that has ended waits until another takes it over.
        """
        found = []
        for _, record in self._records(known):
            if record.job is not None and record.owner != self._owner:
                is_at_work = self._is_at_work(record.owner)
                found.append(
                    replace(record.job, is_elsewhere=True) if is_at_work else _left(record.job)
                )
        return found

    def close(self) -> None:
        """Leave the records, and those that are still written, to the next gateway."""
        owner, self._owner = self._owner, ""
        if self._mark is not None:
            with suppress(OSError):
                self._mark_of(owner).unlink(missing_ok=True)
            self._mark()
            self._mark = None

    def _taken_over(self, now: float, known: Container[str], *, at_start: bool) -> list[Job]:
        found: list[Job] = []
        try:
            if self._folder.is_dir():
                self._make_known()
                with self._alone(_PATIENCE if at_start else 0.0):
                    found.extend(self._take_over(now, known, at_start))
                    self._remove_marks()
        except _Busy:
            pass  # it takes over what is left, and what it leaves is there in the next round
        except OSError as error:
            self._tell(error)
        return found

    def _take_over(self, now: float, known: Container[str], at_start: bool) -> Iterator[Job]:
        for path, record in self._records(known):
            if self._lives(record.owner):
                continue
            job = record.job
            if job is None:
                if at_start:
                    _log.warning("the record %s of a job is broken and is removed", path)
                    path.unlink(missing_ok=True)
            elif now - job.changed < _KEPT_DAYS * 86_400 or job.is_open or job.try_at:
                self._write(job)
                yield job
            else:
                path.unlink(missing_ok=True)

    def _records(self, known: Container[str]) -> Iterator[tuple[Path, _Record]]:
        """Yield the records, all but those of `known` jobs and those that cannot be read now."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                if path.stem not in known:
                    yield path, _read(path)
            except FileNotFoundError:
                continue  # removed just now
            except OSError as error:
                if path not in self._unread:
                    _log.warning("the record %s of a job cannot be read now: %s", path, error)
                self._unread.add(path)

    def _remove_marks(self) -> None:
        """Remove what gateways that have ended left of themselves."""
        for mark in self._folder.glob(f"{_MARK}*"):
            if mark != self._mark_of(self._owner):
                _remove_unlocked(mark)

    def _lives(self, owner: str) -> bool:
        return owner == self._owner or (bool(owner) and is_locked(self._mark_of(owner)))

    def _is_at_work(self, owner: str) -> bool:
        return self._lives(owner) or not self._knows_the_dead

    def _write(self, job: Job) -> None:
        path = self._folder / f"{job.id}.json"
        content = asdict(job) | {"order": as_json(job.order), "owner": self._owner}
        replace_text(path, json.dumps(content), _FOR_US_ALONE)

    def _make_known(self) -> None:
        """Hold a lock that tells other gateways that this one lives."""
        if self._mark is not None or not self._owner:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(PermissionError):  # the folder is another user's, who lets us write
            self._folder.chmod(0o700)
        path = self._mark_of(self._owner)
        self._mark = weakref.finalize(self, os.close, _made_and_locked(path))
        self._knows_the_dead = is_locked(path)

    def _mark_of(self, owner: str) -> Path:
        return self._folder / f"{_MARK}{owner}"

    @contextmanager
    def _alone(self, patience: float) -> Iterator[None]:
        """Keep other gateways from taking over the same jobs meanwhile; raises _Busy."""
        path = self._folder / ".lock"
        until = time.monotonic() + patience
        with path.open("ab") as file:
            path.chmod(_FOR_US_ALONE)
            while not try_lock(file.fileno()):
                if time.monotonic() >= until:
                    raise _Busy
                time.sleep(0.01)
            yield

    def _tell(self, error: OSError) -> None:
        if not self._told:
            _log.error(
                "the records of jobs cannot be written, so that a restart knows nothing of "
                "them: %s", error,
            )  # fmt: skip
        self._told = True


def _made_and_locked(path: Path) -> int:
    """Return a descriptor that holds the lock of a new file, which stays where it is."""
    while True:
        path.touch(_FOR_US_ALONE)
        with suppress(FileNotFoundError):  # removed just now, by one that found it without a lock
            descriptor = open_locked(path)
            if descriptor is None:
                continue  # looked at just now, which takes its lock for a moment
            if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
                return descriptor
            os.close(descriptor)


def _remove_unlocked(path: Path) -> None:
    with suppress(FileNotFoundError):
        descriptor = open_locked(path)
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _left(job: Job) -> Job:
    """Return a job of a gateway that has ended, as it is until another takes it over."""
    if job.state == "cancelling":
        return replace(job, state="cancelled", try_at=None, speed=0.0)
    return replace(job, state="waiting", speed=0.0) if job.state == "running" else job


def _read(path: Path) -> _Record:
    """Return a record; raises OSError for one that is gone, or cannot be read now."""
    content = path.read_bytes()
    try:
        values: dict[str, Any] = json.loads(content)
        owner = str(values.pop("owner", ""))
    except (ValueError, TypeError, AttributeError):
        return _Record("", None)
    return _Record(owner, _job(values))


def _job(values: dict[str, Any]) -> Job | None:
    try:
        order = read_order(values.pop("order"))
        files = {name: (done, total) for name, (done, total) in values.pop("files").items()}
        notes = tuple(values.pop("notes", ()))
        work = _work(values.pop("state"), values.pop("phase"))
        return Job(order=order, files=files, notes=notes, **work, **values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _work(state: str, phase: str) -> dict[str, Any]:
    """Return state and phase; older records have one state in the phase, and repeat the others."""
    if state == "running" and phase == "cancelling":
        state = "cancelling"
    return {"state": state, "phase": phase} if state == "running" else {"state": state}
