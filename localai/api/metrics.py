"""What `/metrics` shows, in a registry of its own for each app."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from localai.api.records import Record
from localai.pool.pool import WorkerView
from localai.pool.state import Phase

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Counters of calls and tokens, and the pool as it is at the moment of the scrape."""

    def __init__(self, views: Callable[[], Iterable[WorkerView]]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "localai_requests", "Calls by outcome", ["route", "model", "status"],
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "localai_request_seconds", "Duration of a call", ["route", "model"],
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._first_byte = Histogram(
            "localai_first_byte_seconds", "Time to an answer's first byte", ["route", "model"],
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._tokens = Counter(
            "localai_tokens", "Tokens by kind", ["model", "kind"], registry=self._registry
        )
        self._registry.register(_PoolCollector(views))

        # Looking a series up by its labels costs more than counting, so each is looked up once.
        self._request_series = cache(self._requests.labels)
        self._second_series = cache(self._seconds.labels)
        self._first_byte_series = cache(self._first_byte.labels)
        self._token_series = cache(self._tokens.labels)

    def count(self, record: Record) -> None:
        """Add one finished call."""
        route, model = record.route, record.model
        self._request_series(route, model, str(record.status)).inc()
        self._second_series(route, model).observe(record.seconds)
        if record.first_byte_seconds is not None:
            self._first_byte_series(route, model).observe(record.first_byte_seconds)
        if record.usage is not None:
            self._token_series(model, "prompt").inc(record.usage[0])
            self._token_series(model, "completion").inc(record.usage[1])

    def render(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _PoolCollector(Collector):
    def __init__(self, views: Callable[[], Iterable[WorkerView]]) -> None:
        self._views = views

    def collect(self) -> Iterator[Metric]:
        views = list(self._views())
        states = Tally(view.state for view in views)
        workers = GaugeMetricFamily("localai_workers", "Workers by state", labels=["state"])
        for phase in Phase:
            workers.add_metric([phase.value], states[phase])
        yield workers
        for name, text in (("running", "Calls that run"), ("waiting", "Calls that wait")):
            family = GaugeMetricFamily(f"localai_calls_{name}", text, labels=["model"])
            for view in views:
                family.add_metric([view.model], getattr(view, name))
            yield family
        memory = GaugeMetricFamily(
            "localai_worker_memory_bytes", "Resident memory of a worker", labels=["model"]
        )
        for view in views:
            memory.add_metric([view.model], view.memory_bytes or 0)
        yield memory
