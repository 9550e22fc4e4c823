"""Which jobs go first, which are not wanted any more, and how long the gateway waits for one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from localai.api.admin.job_description import describe_job
from localai.gallery import jobs as module
from localai.gallery.jobs import Jobs
from localai.gallery.order import FetchOrder, Order, PullOrder
from localai.store.errors import Cancelled
from localai.store.progress import Report
from tests.gateways import eventually

LONG = 10.0


def fetch(card: str, wants: str = "hf://org/repo") -> FetchOrder:
    return FetchOrder(card, {wants: None})


class Work:
    """Jobs that last until they may end, or are cancelled."""

    def __init__(self) -> None:
        self.begun: list[Order] = []
        self.may_end = threading.Event()

    def __call__(self, order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        self.begun.append(order)
        while not self.may_end.wait(0.01):
            if cancel.is_set():
                raise Cancelled("cancelled")
        return ()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def jobs(tmp_path: Path, work: Work) -> Iterator[Jobs]:
    """Jobs whose threads are all busy with the models of a profile, and one more waits."""
    jobs = Jobs(tmp_path / "jobs", work)
    for name in "abc":
        jobs.submit_again(fetch(name))
    eventually(lambda: len(work.begun) == 2, LONG)
    yield jobs
    jobs.close()


def test_what_a_caller_asked_for_does_not_wait_behind_the_profile(jobs: Jobs, work: Work) -> None:
    order = PullOrder("hf://org/d", "d", from_caller=True)
    job = jobs.submit(order)
    eventually(lambda: len(work.begun) == 3, LONG)
    assert (jobs.find(job.id).state, jobs.submit(fetch("c")).state) == ("running", "waiting")
    assert fetch("c") not in work.begun
    assert work.begun[-1] == order


def test_a_call_for_a_model_that_waits_lets_it_go_first(jobs: Jobs, work: Work) -> None:
    waiting = jobs.submit_again(fetch("c"))
    assert describe_job(waiting)["message"].startswith("waiting: others are fetched first")
    assert jobs.submit_again(fetch("c"), first=True).id == waiting.id
    eventually(lambda: jobs.find(waiting.id).state == "running", LONG)


def test_a_corrected_card_ends_the_fetch_of_what_it_named_before(jobs: Jobs) -> None:
    before = jobs.submit_again(fetch("a"))
    corrected = jobs.submit_again(fetch("a", "hf://org/other"), first=True)
    eventually(lambda: jobs.find(before.id).state == "cancelled", LONG)
    eventually(lambda: jobs.find(corrected.id).state == "running", LONG)
    assert jobs.submit_again(fetch("b")).state == "running"  # another card's


def test_what_no_card_wants_any_more_is_not_taken_up_again(tmp_path: Path, work: Work) -> None:
    before = Jobs(tmp_path, work)
    kept, dropped = before.submit(fetch("a")), before.submit(fetch("b"))
    before.close()
    after = Jobs(tmp_path, work)
    assert [job.id for job in after.resume(lambda order: order.model == "a")] == [kept.id]
    assert after.find(dropped.id).state == "cancelled"
    after.close()


def test_the_gateway_does_not_wait_for_a_server_that_never_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    asked, answer, told = threading.Event(), threading.Event(), threading.Event()

    def ask(order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        asked.set()
        answer.wait(LONG)
        told.set()
        return ()

    jobs = Jobs(tmp_path, ask)
    job = jobs.submit(fetch("a"))
    assert asked.wait(LONG)
    began = time.monotonic()
    jobs.close()
    assert time.monotonic() - began < LONG / 2
    after = Jobs(tmp_path, Work())
    assert [one.id for one in after.resume()] == [job.id]
    answer.set()
    assert told.wait(LONG)
    eventually(lambda: not jobs._cancels, LONG)
    assert after.find(job.id).is_open  # what was left behind writes no more
    after.close()
