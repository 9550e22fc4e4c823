"""What the log tells of jobs: starts, steps, ends, and that there is no network, once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from localai.cards.resolved import ResolvedCard
from localai.errors import LocalAIError
from localai.gallery.job_log import JobLog
from localai.gallery.order import FetchOrder, Order, PullOrder
from localai.store.errors import (
    Cancelled,
    CannotWrite,
    FetchFailed,
    Offline,
    Unreachable,
    WrongFile,
)
from localai.store.progress import Progress, Report
from tests.unit.gallery.resolved_cards import resolved

GB = 10**9


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Told:
    """A log of jobs whose work is what the test says."""

    def __init__(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        self._caplog = caplog
        self.clock = Clock()
        self.cards: list[ResolvedCard] = [
            resolved(folder, "gpt-4", model="hf://org/gpt-4", fallback="starter-chat"),
            resolved(folder, "gpt-4o", model="hf://org/gpt-4o", fallback="starter-chat"),
            resolved(folder, "whisper-1", model="hf://org/whisper", fallback="starter-whisper"),
            resolved(folder, "alone", model="hf://org/alone"),
            resolved(folder, "starter-chat", backend="echo"),
            resolved(folder, "starter-whisper", backend="echo"),
        ]
        self._work: Callable[[Report], None] = lambda report: None
        self._log = JobLog(self._perform, lambda: self.cards, self._card_of, self.clock)
        self.brought = ""
        """The name of the card that an order without a name of its own brings."""

    def run(self, card: str, *steps: Progress | float | LocalAIError) -> None:
        """Do steps in turn: progress, seconds that pass, and what is raised in the end."""

        def work(report: Report) -> None:
            for step in steps:
                if isinstance(step, LocalAIError):
                    raise step
                if isinstance(step, Progress):
                    report(step)
                else:
                    self.clock.now += step

        self._work = work
        if steps and isinstance(steps[-1], LocalAIError):
            with pytest.raises(type(steps[-1])):
                self._log(FetchOrder(card), lambda _: None, threading.Event())
        else:
            self._log(FetchOrder(card), lambda _: None, threading.Event())

    @property
    def records(self) -> list[logging.LogRecord]:
        return self._caplog.records

    def lines(self) -> list[str]:
        shown = [record for record in self.records if record.levelno >= logging.INFO]
        lines = [record.getMessage() for record in shown]
        self._caplog.clear()
        return lines

    def _card_of(self, order: Order) -> ResolvedCard | None:
        name = order.card if isinstance(order, FetchOrder) else self.brought
        return next((card for card in self.cards if card.name == name), None)

    def _perform(self, order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        self._work(report)
        return ()


@pytest.fixture
def told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Told:
    return Told(tmp_path, caplog)


def fetching(done: float, total: float | None = 2.5, speed: float = 0.0) -> Progress:
    size = None if total is None else round(total * GB)
    return Progress("q4.gguf", "fetching", round(done * GB), size, speed * GB)


def no_network(host: str = "huggingface.co") -> Unreachable:
    return Unreachable(f"{host} cannot be asked: no route to host.", host=host)


def test_a_download_is_told_from_its_start_to_its_end(told: Told) -> None:
    told.run(
        "gpt-4",
        fetching(0),
        fetching(0.01),
        40.0, fetching(0.2, speed=0.005),  # not yet a tenth
        5.0, fetching(0.5, speed=0.02),
        5.0, fetching(1.0, speed=0.02),  # not yet half a minute
        30.0, fetching(1.2, speed=0.02),
        100.0, fetching(2.5, speed=0.02),
        Progress("q4.gguf", "done", 2_500_000_000, 2_500_000_000),
    )  # fmt: skip
    assert told.lines() == [
        "fetching q4.gguf (2.5 GB) for the model 'gpt-4'",
        "q4.gguf of 'gpt-4': 500.0 MB of 2.5 GB (20 %), 20.0 MB/s, 2 min left",
        "q4.gguf of 'gpt-4': 1.2 GB of 2.5 GB (48 %), 20.0 MB/s, 65 s left",
        "the model 'gpt-4' is here: 2.5 GB in 3 min; it answers from now on instead of its "
        "fallback 'starter-chat'",
    ]


def test_what_was_here_already_is_not_called_fetched(told: Told) -> None:
    told.run("alone", Progress("a.gguf", "linked", GB, GB))
    assert told.lines() == [
        "the model 'alone' is here: nothing had to be fetched; it answers from now on"
    ]


def test_a_failure_of_another_kind_is_told_each_time(told: Told) -> None:
    told.run("gpt-4", WrongFile("The hash is aa, not bb."))
    told.run("alone", Cancelled("cancelled"))
    assert told.lines() == [
        "the model 'gpt-4' could not be fetched: The hash is aa, not bb.",
        "fetching the model 'alone' was stopped",
    ]


def test_no_network_is_one_sentence_for_all_models_and_hosts(told: Told) -> None:
    told.run("gpt-4", no_network())
    told.run("gpt-4o", no_network())
    told.run("whisper-1", no_network("ghcr.io"))
    told.run("gpt-4", no_network())
    assert told.lines() == [
        "there is no network, or huggingface.co is down: the model 'gpt-4' could not be fetched "
        "(huggingface.co cannot be asked: no route to host.) Meanwhile 'gpt-4' and 'gpt-4o' are "
        "answered by the fallback 'starter-chat', 'whisper-1' is answered by the fallback "
        "'starter-whisper' and 'alone' is not answered. It is tried again in 60 s, then less and "
        "less often."
    ]


def test_the_network_comes_back_and_goes_again(told: Told) -> None:
    told.run("gpt-4", no_network())
    told.lines()
    told.run("gpt-4", fetching(0), fetching(1), fetching(2.5))
    assert told.lines()[:2] == [
        "fetching q4.gguf (2.5 GB) for the model 'gpt-4'",
        "huggingface.co can be reached again",
    ]
    told.run("gpt-4o", no_network())
    assert told.lines()[0].startswith("there is no network, or huggingface.co is down")


def test_one_host_that_is_down_is_told_once_although_others_answer(told: Told) -> None:
    told.run("alone", no_network("my.registry"))
    told.run("gpt-4", fetching(0), fetching(2.5))
    told.lines()
    told.run("alone", no_network("my.registry"))
    assert told.lines() == []
    told.run("gpt-4o", no_network())
    assert told.lines()[0].startswith("there is no network, or huggingface.co is down")


def test_offline_is_told_once_as_a_decision(told: Told) -> None:
    told.run("gpt-4", Offline("HF_HUB_OFFLINE forbids."))
    told.run("gpt-4o", Offline("HF_HUB_OFFLINE forbids."))
    (line,) = told.lines()
    assert line.startswith("HF_HUB_OFFLINE is set, so that nothing is fetched.")
    assert "tried again" not in line


def test_a_busy_server_is_told_once_and_without_what_its_address_holds(told: Told) -> None:
    busy = FetchFailed("https://me:hidden@host/a?key=hidden answered 503.", retry_after=240.0)
    told.run("alone", busy)
    told.run("alone", busy)
    line = told.records[0].getMessage()
    assert line.startswith(
        "the model 'alone' could not be fetched for now: https://host/a?… answered 503. It is "
        "tried again in 4 min"
    )
    assert [record.levelname for record in told.records] == ["WARNING", "DEBUG"]


def test_a_store_that_cannot_be_written_is_told_once_for_all(told: Told) -> None:
    told.run("alone", CannotWrite("The store cannot be written."))
    told.run("gpt-4", CannotWrite("The store cannot be written."))
    assert [record.levelname for record in told.records] == ["ERROR", "DEBUG"]


def run_reference(told: Told, text: str, *, error: LocalAIError | None = None) -> None:
    def work(report: Report) -> None:
        report(Progress("a.gguf", "linked", GB, GB))
        if error is not None:
            raise error

    told._work = work
    order = PullOrder(text, None)
    if error is None:
        told._log(order, lambda _: None, threading.Event())
        return
    with pytest.raises(type(error)):
        told._log(order, lambda _: None, threading.Event())


def test_the_name_that_answers_is_the_one_of_the_card_that_came(told: Told) -> None:
    told.brought = "alone"
    run_reference(told, "shorty")
    told.brought = ""
    run_reference(told, "hf://org/archive")
    assert told.lines() == [
        "the model 'shorty' is here: nothing had to be fetched; 'alone' answers from now on",
        "the model 'hf://org/archive' is here: nothing had to be fetched",
    ]


@pytest.mark.parametrize("error", [Offline("HF_HUB_OFFLINE forbids."), no_network()])
def test_a_model_without_a_card_is_named_once_where_nothing_can_be_fetched(
    told: Told, error: LocalAIError
) -> None:
    told.run("gpt-4", error)
    told.lines()
    run_reference(told, "qwen3-4b", error=error)
    run_reference(told, "qwen3-4b", error=error)
    (line,) = told.lines()
    assert line.startswith("the model 'qwen3-4b' is not installed and not answered: ")
