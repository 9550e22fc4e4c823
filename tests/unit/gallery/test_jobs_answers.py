"""Jobs that are answered with something else than they asked for: some are tried again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.cards.catalog import Catalog
from localai.gallery.galleries import galleries_of
from localai.gallery.jobs import Jobs
from localai.gallery.order import ConfigureOrder, Order, PullOrder
from localai.gallery.orders import Orders
from localai.settings import Settings
from tests.unit.gallery.samples import BACKENDS
from tests.unit.store.file_server import FileServer, serve_files

LONG = 20.0
PAGE = b"<!DOCTYPE html>\n<title>Welcome to the hotel</title>\n"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for name in list(os.environ):
        if name.startswith("HF_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home/huggingface"))
    with serve_files() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    settings = Settings(models=tmp_path / "models", store=tmp_path / "store")
    catalog = Catalog([], BACKENDS)
    orders = Orders(settings, BACKENDS, catalog, galleries_of(settings, BACKENDS))
    jobs = Jobs(tmp_path / "jobs", orders.perform, clock=lambda: 1000.0)
    yield jobs
    jobs.close()


@pytest.mark.parametrize("kind", ["pull", "configure"])
def test_what_a_page_to_log_in_has_failed_is_tried_again(
    jobs: Jobs, server: FileServer, kind: str
) -> None:
    for path in ("/api/models/org/repo", "/base.yaml"):
        server.put(path, PAGE)
    order: Order = PullOrder("hf://org/repo", "repo")
    if kind == "configure":
        order = ConfigureOrder(f"{server.url}/base.yaml", None, "base")
    job = jobs.wait(jobs.submit(order).id, LONG)
    assert (job.state, job.code, job.try_at) == ("failed", "fetch_failed", 1060.0)
    assert "Log in to the network" in (job.error or "")


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (200, b"-" * ((8 << 20) + 1), "wrong_file"),
        (200, b"\xff\xfe\x00", "wrong_file"),
        (403, b"", "model_source_refused"),
        (404, b"", "model_source_not_found"),
    ],
)
def test_what_is_the_same_at_every_attempt_is_not_tried_again(
    jobs: Jobs, server: FileServer, status: int, answer: bytes, code: str
) -> None:
    server.routes["/base.yaml"] = lambda _: (status, {}, answer)
    order = ConfigureOrder(f"{server.url}/base.yaml", None, "base")
    job = jobs.wait(jobs.submit(order).id, LONG)
    assert (job.state, job.code, job.try_at) == ("failed", code, None)
