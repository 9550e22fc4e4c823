"""The records of jobs on disk: one JSON file each, written only by the gateway that has the job."""

from __future__ import annotations

import json
import logging
import os
import uuid
import weakref
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from localai.file_locks import is_locked, open_locked, wait_for_lock
from localai.files import replace_text
from localai.gallery.job import Job
from localai.gallery.order import as_json, read_order

_log = logging.getLogger(__name__)
_KEPT_DAYS = 7
_MARK = ".gateway-"
"""Each gateway holds a lock on a file of this beginning, which ends with its process."""
_FOR_US_ALONE = 0o600  # orders may hold tokens


@dataclass(frozen=True)
class _Record:
    job: Job
    owner: str
    """Which gateway has the job."""


class JobRecords:
    """The records in `folder`, which is made at the first write, as one gateway uses them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = uuid.uuid4().hex
        self._mark: weakref.finalize[..., JobRecords] | None = None
        self._told = False

    def write(self, job: Job) -> None:
        """Write a job's record, whole or not at all; a full disk is told and ends no job."""
        try:
            self._make_known()
            self._write(job)
            self._told = False
        except OSError as error:
            self._tell(error)

    def take_over(self, now: float) -> list[Job]:
        """Return the jobs that no living gateway has, which are this one's from now on.

        Ended ones are forgotten after some days, broken ones at once.
        """
        try:
            if not self._folder.is_dir():
                return []
            self._make_known()
            with self._alone():
                return list(self._take_over(now))
        except OSError as error:
            self._tell(error)
            return []

    def others(self, known: Container[str]) -> list[Job]:
        """Return the jobs of other gateways, all but those in `known`."""
        found = []
        with suppress(OSError):
            for path in sorted(self._folder.glob("*.json")):
                record = None if path.stem in known else _read(path)
                if record is not None and record.owner != self._owner:
                    found.append(replace(record.job, is_elsewhere=True))
        return found

    def close(self) -> None:
        """Leave the records, and those that are still written, to the next gateway."""
        owner, self._owner = self._owner, ""
        if self._mark is not None:
            with suppress(OSError):
                self._mark_of(owner).unlink(missing_ok=True)
            self._mark()
            self._mark = None

    def _take_over(self, now: float) -> Iterator[Job]:
        for path in sorted(self._folder.glob("*.json")):
            record = _read(path)
            if record is None:
                _log.warning("the record %s of a job cannot be read and is removed", path)
                path.unlink(missing_ok=True)
            elif not self._lives(record.owner):
                job = record.job
                if now - job.changed < _KEPT_DAYS * 86_400 or job.is_open or job.try_at:
                    self._write(job)
                    yield job
                else:
                    path.unlink(missing_ok=True)
        for mark in self._folder.glob(f"{_MARK}*"):
            if not self._lives(mark.name.removeprefix(_MARK)):
                mark.unlink(missing_ok=True)

    def _lives(self, owner: str) -> bool:
        return owner == self._owner or (bool(owner) and is_locked(self._mark_of(owner)))

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
        path.touch(_FOR_US_ALONE)
        descriptor = open_locked(path)
        assert descriptor is not None, "nobody else knows this name"
        self._mark = weakref.finalize(self, os.close, descriptor)

    def _mark_of(self, owner: str) -> Path:
        return self._folder / f"{_MARK}{owner}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other gateways from taking over the same jobs meanwhile."""
        path = self._folder / ".lock"
        with path.open("ab") as file:
            path.chmod(_FOR_US_ALONE)
            wait_for_lock(file.fileno())
            yield

    def _tell(self, error: OSError) -> None:
        if not self._told:
            _log.error(
                "the records of jobs cannot be written, so that a restart knows nothing of "
                "them: %s", error,
            )  # fmt: skip
        self._told = True


def _read(path: Path) -> _Record | None:
    """Return a record; None for one that is broken or gone."""
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
        owner = str(values.pop("owner", ""))
        order = read_order(values.pop("order"))
        files = {name: (done, total) for name, (done, total) in values.pop("files").items()}
        notes = tuple(values.pop("notes", ()))
        work = _work(values.pop("state"), values.pop("phase"))
        return _Record(Job(order=order, files=files, notes=notes, **work, **values), owner)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _work(state: str, phase: str) -> dict[str, Any]:
    """Return state and phase; older records have one state in the phase, and repeat the others."""
    if state == "running" and phase == "cancelling":
        state = "cancelling"
    return {"state": state, "phase": phase} if state == "running" else {"state": state}
