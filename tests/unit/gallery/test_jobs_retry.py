"""Jobs that find no server are tried again by themselves, less and less often."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localai.errors import InvalidRequest, LocalAIError
from localai.gallery.job import Job
from localai.gallery.jobs import Jobs, next_try
from localai.gallery.order import FetchOrder, Order
from localai.store.errors import (
    AccessRefused,
    DiskFull,
    FetchFailed,
    NotInRegistry,
    Offline,
    Unreachable,
    WrongFile,
)
from localai.store.progress import Progress, Report

ORDER = FetchOrder("small")
LONG = 10.0
NO_NETWORK = Unreachable("hub cannot be asked: no route.", host="hub")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Line:
    """A network that fails as long as it is told to."""

    def __init__(self) -> None:
        self.failure: LocalAIError | None = NO_NETWORK
        self.attempts = 0

    def __call__(self, order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        self.attempts += 1
        if self.failure is not None:
            raise self.failure
        return ()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def jobs(tmp_path: Path, line: Line, clock: Clock) -> Iterator[Jobs]:
    jobs = Jobs(tmp_path, line, clock=clock)
    yield jobs
    jobs.close()


def ended(jobs: Jobs, job: Job) -> Job:
    after = jobs.wait(job.id, LONG)
    assert not after.is_open
    return after


def test_the_pauses_grow() -> None:
    pauses = [next_try(failures, 5.0) - 5.0 for failures in (1, 2, 3, 4, 5, 6, 99)]
    assert pauses == [60, 120, 300, 600, 1800, 1800, 1800]


def test_it_is_tried_again_when_it_is_time_and_not_before(
    jobs: Jobs, line: Line, clock: Clock
) -> None:
    job = ended(jobs, jobs.submit(ORDER))
    assert (job.state, job.code, job.failures, job.try_at) == ("failed", "unreachable", 1, 1060.0)
    clock.now = 1059.9
    jobs.begin_due()
    assert line.attempts == 1
    clock.now = 1060.0
    jobs.begin_due()
    job = ended(jobs, job)
    assert (line.attempts, job.failures, job.try_at) == (2, 2, 1180.0)
    line.failure = None
    clock.now = 1180.0
    jobs.begin_due()
    job = ended(jobs, job)
    assert (job.state, job.failures, job.try_at, job.error) == ("done", 0, None, None)
    jobs.begin_due()
    assert (line.attempts, len(jobs.list())) == (3, 1)


@pytest.mark.parametrize(
    "failure",
    [
        Offline("HF_HUB_OFFLINE forbids."), WrongFile("Another hash."), NotInRegistry("No such."),
        AccessRefused("A token is missing."), DiskFull("No room."),
    ],
)  # fmt: skip
def test_other_failures_are_not_tried_again(
    jobs: Jobs, line: Line, clock: Clock, failure: LocalAIError
) -> None:
    line.failure = failure
    job = ended(jobs, jobs.submit(ORDER))
    assert (job.state, job.try_at) == ("failed", None)
    clock.now += 10_000
    jobs.begin_due()
    assert line.attempts == 1


def test_a_busy_server_is_tried_again_not_before_it_asked_to(
    jobs: Jobs, line: Line, clock: Clock
) -> None:
    line.failure = FetchFailed("hub answered 429.")
    job = ended(jobs, jobs.submit(ORDER))
    assert (job.state, job.status, job.failures, job.try_at) == ("failed", 502, 1, 1060.0)
    line.failure = FetchFailed("hub answered 429.", retry_after=900.0)
    clock.now = 1060.0
    jobs.begin_due()
    job = ended(jobs, job)
    assert (line.attempts, job.failures, job.try_at) == (2, 2, 1960.0)


def test_an_order_that_was_begun_anew_is_judged_by_its_newest_job(
    jobs: Jobs, line: Line, clock: Clock
) -> None:
    line.failure = WrongFile("Another hash.")
    ended(jobs, jobs.submit(ORDER))
    line.failure = None
    clock.now += 1
    assert ended(jobs, jobs.submit(ORDER)).state == "done"
    clock.now += 1
    again = ended(jobs, jobs.submit_again(ORDER))
    assert (again.state, line.attempts) == ("done", 3)


def test_a_call_does_not_wait_for_the_time(jobs: Jobs, line: Line, clock: Clock) -> None:
    job = ended(jobs, jobs.submit(ORDER))
    assert jobs.submit_again(ORDER) == job  # it has just failed
    line.failure = None
    assert jobs.submit(ORDER).id == job.id  # whoever orders it means now
    assert ended(jobs, job).state == "done"


def test_to_be_offline_is_decided_as_long_as_the_process_lives(
    tmp_path: Path, jobs: Jobs, line: Line, clock: Clock
) -> None:
    line.failure = Offline("HF_HUB_OFFLINE forbids.")
    job = ended(jobs, jobs.submit_again(ORDER))
    clock.now += 10_000
    assert jobs.submit_again(ORDER) == job
    jobs.close()
    line.failure = None
    clock.now += 1
    after = Jobs(tmp_path, line, clock=clock)
    assert ended(after, after.submit_again(ORDER)).state == "done"
    after.close()


def test_the_next_gateway_tries_at_once(
    tmp_path: Path, jobs: Jobs, line: Line, clock: Clock
) -> None:
    job = ended(jobs, jobs.submit(ORDER))
    jobs.close()
    line.failure = None
    after = Jobs(tmp_path, line, clock=clock)
    assert [one.id for one in after.resume()] == [job.id]
    assert ended(after, job).state == "done"
    after.close()


def test_the_wait_for_another_attempt_is_cancelled(jobs: Jobs, line: Line, clock: Clock) -> None:
    job = ended(jobs, jobs.submit(ORDER))
    assert job.can_be_cancelled
    after = jobs.cancel(job.id)
    assert (after.state, after.try_at, after.can_be_cancelled) == ("cancelled", None, False)
    clock.now += 10_000
    jobs.begin_due()
    assert line.attempts == 1
    with pytest.raises(InvalidRequest, match="it is cancelled"):
        jobs.cancel(job.id)


def test_nothing_of_what_several_threads_tell_is_lost(tmp_path: Path) -> None:
    def perform(order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        def tell(file: int) -> None:
            for done in range(50):
                report(Progress(f"part-{file}", "fetching", done + 1, 50))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(tell, range(8)))
        return ()

    jobs = Jobs(tmp_path, perform)
    job = ended(jobs, jobs.submit(ORDER))
    assert (job.done, job.total, len(job.files)) == (400, 400, 8)
    jobs.close()


def test_the_same_order_from_many_threads_is_one_job(jobs: Jobs, line: Line) -> None:
    line.failure = None
    gate = threading.Barrier(8)

    def submit(_: int) -> str:
        gate.wait(LONG)
        return jobs.submit_again(FetchOrder("other")).id

    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(submit, range(8)))
    assert len(ids) == len(jobs.list())


def test_a_job_goes_on_where_its_record_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "jobs").write_text("a file where the folder should be")
    line = Line()
    line.failure = None
    jobs = Jobs(tmp_path / "jobs", line)
    assert ended(jobs, jobs.submit(ORDER)).state == "done"
    assert caplog.text.count("cannot be written") == 1
    jobs.close()


def test_who_watches_is_told_of_every_change_until_the_watch_ends(jobs: Jobs, line: Line) -> None:
    told = threading.Semaphore(0)
    line.failure = None
    job = ended(jobs, jobs.submit(ORDER))
    end = jobs.watch(job.id, told.release)
    jobs.end_watches()
    assert told.acquire(timeout=LONG)
    assert jobs.is_ending
    end()
    jobs.end_watches()
    assert not told.acquire(blocking=False)


def test_what_is_ordered_at_the_very_end_is_done_by_the_next_gateway(
    tmp_path: Path, jobs: Jobs, line: Line
) -> None:
    jobs.close()
    job = jobs.submit(ORDER)
    assert (job.state, line.attempts) == ("waiting", 0)
    line.failure = None
    after = Jobs(tmp_path, line)
    after.resume()
    assert ended(after, job).state == "done"
    after.close()
