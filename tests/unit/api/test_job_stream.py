"""Which form a job's stream has, and how it goes on while nothing happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from localai.api.admin.job_stream import changes, prefers_ndjson
from localai.gallery.jobs import Jobs
from localai.gallery.order import FetchOrder, Order
from localai.store.progress import Progress, Report

LONG = 10.0


@pytest.mark.parametrize(
    ("accept", "lines"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/event-stream", False),
        ("application/x-ndjson", True),
        ("Application/X-NDJSON; q=0.9, */*;q=0.1", True),
        ("application/ndjson", True),
        ("application/x-ndjson, */*", True),
        ("text/event-stream, application/x-ndjson", False),
        ("application/x-ndjson, text/event-stream", True),
        ("application/x-ndjson;q=0.2, text/event-stream;q=0.5", False),
        ("application/x-ndjson;q=0", False),
        ("application/x-ndjson;q=nonsense", False),
    ],
)
def test_lines_are_for_those_who_prefer_them(accept: str, lines: bool) -> None:
    assert prefers_ndjson(accept) is lines


class Work:
    """A job that reports when it is told to, and ends when it may."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.may_end = threading.Event()
        self.report: Report

    def __call__(self, order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        self.report = report
        self.began.set()
        self.may_end.wait(LONG)
        return ()


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.may_end.set()


async def test_something_is_sent_while_nothing_happens(tmp_path: Path, work: Work) -> None:
    jobs = Jobs(tmp_path, work)
    job = jobs.submit(FetchOrder("a"))
    assert work.began.wait(LONG)
    told = changes(jobs, job, heartbeat=0.01, pause=0.0)
    first = await anext(told)
    assert first is not None
    assert first.state == "running"
    assert await anext(told) is None
    work.report(Progress("a.gguf", "fetching", 1, 2))
    while (after := await anext(told)) is None:
        pass
    assert after.done == 1
    work.may_end.set()
    rest = [one async for one in told if one is not None]
    assert rest[-1].state == "done"
    jobs.close()


async def test_many_changes_at_once_are_few_events(tmp_path: Path, work: Work) -> None:
    jobs = Jobs(tmp_path, work)
    job = jobs.submit(FetchOrder("a"))
    assert work.began.wait(LONG)
    told = changes(jobs, job, heartbeat=LONG, pause=0.05)
    await anext(told)
    for done in range(1000):
        work.report(Progress("a.gguf", "fetching", done, 1000))
    work.may_end.set()
    jobs.wait(job.id, LONG)
    rest = [one async for one in told]
    assert len(rest) <= 2
    assert rest[-1] is not None
    assert rest[-1].state == "done"
    jobs.close()


async def test_the_gateways_end_ends_the_stream_and_not_the_job(tmp_path: Path, work: Work) -> None:
    jobs = Jobs(tmp_path, work)
    job = jobs.submit(FetchOrder("a"))
    assert work.began.wait(LONG)
    told = changes(jobs, job, heartbeat=LONG, pause=0.0)
    await anext(told)
    jobs.end_watches()
    rest = [one async for one in told]
    assert {one.state for one in rest if one} <= {"running"}
    assert jobs.find(job.id).is_open
    work.may_end.set()
    jobs.close()
