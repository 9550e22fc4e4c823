from __future__ import annotations

import pytest

from localai.api.metrics import CONTENT_TYPE, Metrics
from localai.api.records import Record
from localai.pool.pool import WorkerView
from localai.pool.state import Phase


def record(
    *, status: int = 200, usage: tuple[int, int] | None = (3, 5), first_byte: float | None = 0.02
) -> Record:
    return Record(
        "POST", "/v1/chat/completions", "req", route="/v1/chat/completions", model="m",
        status=status, usage=usage, first_byte_seconds=first_byte, seconds=0.3,
    )  # fmt: skip


def view(model: str, state: Phase, memory: int | None = None) -> WorkerView:
    return WorkerView(
        model=model, state=state, pid=1, running=2, waiting=3, started=None, idle_seconds=None,
        expires_in=None, memory_bytes=memory, error=None,
    )  # fmt: skip


def lines(metrics: Metrics) -> dict[str, float]:
    text = metrics.render().decode()
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


LABELS = 'model="m",route="/v1/chat/completions"'


def test_a_call_is_counted_with_its_tokens_and_times() -> None:
    metrics = Metrics(list)
    metrics.count(record())
    metrics.count(record(usage=(1, 1)))
    shown = lines(metrics)
    assert shown[f'localai_requests_total{{{LABELS},status="200"}}'] == 2
    assert shown['localai_tokens_total{kind="prompt",model="m"}'] == 4
    assert shown['localai_tokens_total{kind="completion",model="m"}'] == 6
    assert shown[f"localai_request_seconds_sum{{{LABELS}}}"] == pytest.approx(0.6)
    assert shown[f'localai_first_byte_seconds_bucket{{le="0.025",{LABELS}}}'] == 2
    assert shown[f'localai_first_byte_seconds_bucket{{le="0.01",{LABELS}}}'] == 0


def test_a_call_without_an_answer_counts_no_tokens_and_no_first_byte() -> None:
    metrics = Metrics(list)
    metrics.count(record(status=499, usage=None, first_byte=None))
    shown = lines(metrics)
    assert shown[f'localai_requests_total{{{LABELS},status="499"}}'] == 1
    assert not [name for name in shown if name.startswith(("localai_tokens", "localai_first"))]


def test_the_pool_is_shown_as_it_is_at_the_scrape() -> None:
    views = [view("a", Phase.READY, 100), view("b", Phase.BUSY)]
    metrics = Metrics(lambda: views)
    shown = lines(metrics)
    assert shown['localai_workers{state="ready"}'] == 1
    assert shown['localai_workers{state="failed"}'] == 0
    assert shown['localai_calls_running{model="a"}'] == 2
    assert shown['localai_calls_waiting{model="b"}'] == 3
    assert shown['localai_worker_memory_bytes{model="a"}'] == 100
    views.clear()
    assert lines(metrics)['localai_workers{state="ready"}'] == 0
    assert 'localai_calls_running{model="a"}' not in lines(metrics)


def test_two_apps_count_for_themselves() -> None:
    one, other = Metrics(list), Metrics(list)
    one.count(record())
    assert f'localai_requests_total{{{LABELS},status="200"}}' not in lines(other)


def test_the_content_type_is_that_of_prometheus() -> None:
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")
