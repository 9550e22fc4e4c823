"""Jobs: what was ordered runs, is told, is cancelled, and is taken up again."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from localai.api.admin.job_description import describe_job
from localai.errors import InvalidRequest, ModelNotFound
from localai.gallery.job import Job
from localai.gallery.jobs import Jobs
from localai.gallery.order import Order, PullOrder
from localai.store.errors import Cancelled, Unreachable, WrongFile
from localai.store.progress import Progress, Report
from tests.gateways import eventually

ORDER = PullOrder("hf://org/repo", "repo")
OTHER = PullOrder("hf://org/other", "other")
LONG = 10.0


class Work:
    """What jobs do here: a step, then waiting for leave to end, or for the end itself."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.began = threading.Event()
        self.may_end = threading.Event()
        self.failure: Exception | None = None

    def __call__(self, order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        self.orders.append(order)
        report(Progress("model.gguf", "fetching", 40, 100, speed=20.0))
        report(Progress("mmproj.gguf", "fetching", 5, 10, speed=20.0))
        self.began.set()
        while not self.may_end.wait(0.01):
            if cancel.is_set():
                raise Cancelled("cancelled")
        if self.failure is not None:
            raise self.failure
        return ()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def jobs(tmp_path: Path, work: Work) -> Iterator[Jobs]:
    jobs = Jobs(tmp_path / "jobs", work)
    yield jobs
    jobs.close()


def ended(jobs: Jobs, job: Job) -> Job:
    eventually(lambda: not jobs.find(job.id).is_open, LONG)
    return jobs.find(job.id)


def test_a_job_tells_how_far_it_is(jobs: Jobs, work: Work) -> None:
    job = jobs.submit(ORDER)
    assert work.began.wait(LONG)
    seen = jobs.find(job.id)
    assert (seen.state, seen.phase, seen.done, seen.total) == ("running", "fetching", 45, 110)
    assert seen.speed == 20.0
    work.may_end.set()
    assert ended(jobs, job).state == "done"


def test_the_total_is_not_told_before_all_of_it_is_known() -> None:
    job = Job("1", ORDER, files={"a": (1, 10), "b": (2, None)})
    assert (job.done, job.total) == (3, None)


def test_a_failure_is_told_with_its_code(jobs: Jobs, work: Work) -> None:
    work.failure = WrongFile("The hash is aa, not bb.")
    work.may_end.set()
    job = ended(jobs, jobs.submit(ORDER))
    assert (job.state, job.code, job.error) == ("failed", "wrong_file", "The hash is aa, not bb.")


def test_an_unforeseen_failure_is_told_too(jobs: Jobs, work: Work) -> None:
    work.failure = RuntimeError("no such luck")
    work.may_end.set()
    job = ended(jobs, jobs.submit(ORDER))
    assert (job.state, job.code) == ("failed", "internal_error")
    assert job.error == "Internal error: RuntimeError: no such luck. The log has the traceback."


def test_the_same_order_is_not_begun_twice(jobs: Jobs, work: Work) -> None:
    first = jobs.submit(ORDER)
    assert work.began.wait(LONG)
    assert jobs.submit(replace(ORDER)).id == first.id
    other = jobs.submit(OTHER)
    assert other.id != first.id
    work.may_end.set()
    ended(jobs, first)
    ended(jobs, other)
    assert len(work.orders) == 2


def test_a_job_is_cancelled(jobs: Jobs, work: Work) -> None:
    job = jobs.submit(ORDER)
    assert work.began.wait(LONG)
    jobs.cancel(job.id)
    assert ended(jobs, job).state == "cancelled"
    with pytest.raises(InvalidRequest, match="it is cancelled"):
        jobs.cancel(job.id)


def test_what_fails_while_it_is_cancelled_is_not_tried_again(tmp_path: Path) -> None:
    began = threading.Event()

    def fail(order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        began.set()
        cancel.wait(LONG)
        raise Unreachable("hub cannot be asked.", host="hub")

    jobs = Jobs(tmp_path, fail)
    job = jobs.submit(ORDER)
    assert began.wait(LONG)
    jobs.cancel(job.id)
    after = ended(jobs, job)
    assert (after.state, after.try_at, after.error) == ("cancelled", None, None)
    jobs.close()


def test_a_waiting_job_is_cancelled_before_it_begins(tmp_path: Path, work: Work) -> None:
    jobs = Jobs(tmp_path, work, at_once=1)
    first = jobs.submit(ORDER)
    assert work.began.wait(LONG)
    second = jobs.submit(OTHER)
    jobs.cancel(second.id)
    work.may_end.set()
    ended(jobs, first)
    assert ended(jobs, second).state == "cancelled"
    assert work.orders == [ORDER]
    jobs.close()


def test_an_unfinished_job_goes_on_in_the_next_gateway(tmp_path: Path, work: Work) -> None:
    before = Jobs(tmp_path, work)
    job = before.submit(ORDER)
    assert work.began.wait(LONG)
    before.close()

    again = Work()
    again.may_end.set()
    after = Jobs(tmp_path, again)
    assert [one.id for one in after.resume()] == [job.id]
    assert ended(after, job).state == "done"
    assert again.orders == [ORDER]
    after.close()


def test_ended_jobs_are_remembered_for_a_week(tmp_path: Path, work: Work) -> None:
    work.may_end.set()
    before = Jobs(tmp_path, work, clock=lambda: 1000.0)
    job = before.submit(ORDER)
    ended(before, job)
    before.close()
    assert [one.state for one in Jobs(tmp_path, work, clock=lambda: 1000.0).list()] == ["done"]
    late = Jobs(tmp_path, work, clock=lambda: 1000.0 + 8 * 86_400)
    assert late.list() == []
    with pytest.raises(ModelNotFound, match="no job"):
        late.find(job.id)


def test_a_broken_record_is_removed_and_the_others_stay(tmp_path: Path, work: Work) -> None:
    work.may_end.set()
    before = Jobs(tmp_path, work)
    job = ended(before, before.submit(ORDER))
    before.close()
    (tmp_path / "broken.json").write_text("{")
    assert [one.id for one in Jobs(tmp_path, work).list()] == [job.id]
    assert not (tmp_path / "broken.json").exists()


def test_a_job_that_is_being_cancelled_neither_counts_nor_goes_on_after_a_restart(
    tmp_path: Path,
) -> None:
    began, may_end = threading.Event(), threading.Event()

    def stubborn(order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        report(Progress("a.gguf", "fetching", 1, 2))
        began.set()
        may_end.wait(LONG)
        report(Progress("a.gguf", "fetching", 2, 2))
        raise Cancelled("cancelled")

    jobs = Jobs(tmp_path, stubborn)
    job = jobs.submit(ORDER)
    assert began.wait(LONG)
    cancelled = jobs.cancel(job.id)
    assert (cancelled.state, cancelled.can_be_cancelled) == ("cancelling", False)
    shown = describe_job(cancelled)
    assert (shown["state"], shown["phase"], shown["processed"]) == ("running", "cancelling", False)
    assert json.loads((tmp_path / f"{job.id}.json").read_text())["state"] == "cancelling"
    second = jobs.submit(ORDER)
    assert second.id != job.id

    # What a killed gateway leaves is what its records say.
    killed = tmp_path / "killed"
    shutil.copytree(tmp_path, killed, ignore=shutil.ignore_patterns("killed", ".*"))
    work = Work()
    work.may_end.set()
    after = Jobs(killed, work)
    assert [one.id for one in after.resume()] == [second.id]
    assert after.find(job.id).state == "cancelled"
    after.close()
    may_end.set()
    assert ended(jobs, job).state == "cancelled"
    jobs.close()


def test_a_waiting_job_is_cancelled_at_once_and_in_its_record(tmp_path: Path, work: Work) -> None:
    jobs = Jobs(tmp_path, work, at_once=1)
    jobs.submit(ORDER)
    assert work.began.wait(LONG)
    second = jobs.submit(OTHER)
    assert jobs.cancel(second.id).state == "cancelled"
    assert json.loads((tmp_path / f"{second.id}.json").read_text())["state"] == "cancelled"
    jobs.close()


def test_the_job_of_another_gateway_is_seen_and_left_alone(tmp_path: Path, work: Work) -> None:
    first = Jobs(tmp_path, work)
    job = first.submit(ORDER)
    assert work.began.wait(LONG)
    other = Work()
    second = Jobs(tmp_path, other)
    assert second.resume() == []
    (seen,) = second.list()
    assert (seen.id, seen.state, seen.is_elsewhere, seen.can_be_cancelled) == (
        job.id, "running", True, False,
    )  # fmt: skip
    with pytest.raises(InvalidRequest, match="Another gateway"):
        second.cancel(job.id)
    work.may_end.set()
    ended(first, job)
    assert second.find(job.id).state == "done"
    assert other.orders == []
    first.close()
    second.close()


@contextmanager
def other_gateway(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has begun a job in `folder`, and goes on until it is killed."""
    left = (
        "import sys, threading; from pathlib import Path; from localai.gallery.jobs import Jobs\n"
        "from localai.gallery.order import PullOrder\n"
        "def work(order, report, cancel): print('begun', flush=True); threading.Event().wait()\n"
        "Jobs(Path(sys.argv[1]), work).submit(PullOrder('hf://org/repo', 'repo'))\n"
        "threading.Event().wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", left, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            process.kill()


def test_the_jobs_of_a_gateway_that_was_killed_go_on_in_one_that_lives(tmp_path: Path) -> None:
    work = Work()
    work.may_end.set()
    with other_gateway(tmp_path) as process:
        living = Jobs(tmp_path, work)
        living.take_over_left()
        (seen,) = living.list()
        assert (seen.state, seen.is_elsewhere) == ("running", True)
        process.kill()
        process.wait()
    (seen,) = living.list()
    assert (seen.state, seen.is_elsewhere, seen.can_be_cancelled) == ("waiting", False, True)
    living.take_over_left()
    assert ended(living, seen).state == "done"
    assert work.orders == [ORDER]
    living.take_over_left()
    assert [job.id for job in living.list()] == [seen.id]
    living.close()


def test_the_job_of_a_gateway_that_was_killed_can_be_cancelled(tmp_path: Path, work: Work) -> None:
    living = Jobs(tmp_path, work)
    with other_gateway(tmp_path) as process:
        (seen,) = living.list()
        process.kill()
        process.wait()
    after = living.cancel(seen.id)
    assert (after.state, after.is_elsewhere) == ("cancelled", False)
    living.take_over_left()
    assert [job.state for job in living.list()] == ["cancelled"]
    assert work.orders == []
    living.close()


def test_what_a_killed_gateway_left_and_nobody_wants_is_not_begun(
    tmp_path: Path, work: Work
) -> None:
    living = Jobs(tmp_path, work)
    with other_gateway(tmp_path) as process:
        process.kill()
        process.wait()
    living.take_over_left(lambda _: False)
    assert [job.state for job in living.list()] == ["cancelled"]
    assert work.orders == []
    living.close()


def test_where_no_locks_tell_who_lives_the_jobs_of_others_stay_theirs(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("localai.file_locks.fcntl.flock", without)
    other = Work()
    first, second = Jobs(tmp_path, work), Jobs(tmp_path, other)
    job = first.submit(ORDER)
    assert work.began.wait(LONG)
    second.take_over_left()
    assert (second.find(job.id).is_elsewhere, other.orders) == (True, [])
    work.may_end.set()
    ended(first, job)
    first.close()
    second.close()


def test_the_jobs_of_a_gateway_that_was_killed_go_on_in_the_next(tmp_path: Path) -> None:
    work = Work()
    work.may_end.set()
    with other_gateway(tmp_path) as process:
        while_it_lives = Jobs(tmp_path, work)
        assert while_it_lives.resume() == []
        while_it_lives.close()
        process.kill()
        process.wait()
    after = Jobs(tmp_path, work)
    (job,) = after.resume()
    assert ended(after, job).state == "done"
    after.close()
    assert not list(tmp_path.glob(".gateway-*"))


def test_records_are_for_their_owner_alone_and_tell_no_password(tmp_path: Path, work: Work) -> None:
    secret = "https://me:hidden@host/a.gguf?token=hidden"
    work.failure = WrongFile(f"{secret} is not what it should be.")
    work.may_end.set()
    jobs = Jobs(tmp_path / "jobs", work)
    job = ended(jobs, jobs.submit(PullOrder(secret, None)))
    record = tmp_path / "jobs" / f"{job.id}.json"
    assert oct(record.stat().st_mode & 0o777) == "0o600"
    assert oct(record.parent.stat().st_mode & 0o777) == "0o700"
    assert job.error == "https://host/a.gguf?… is not what it should be."
    assert "hidden" not in json.dumps(describe_job(job))
    assert work.orders == [PullOrder(secret, None)]
    jobs.close()
