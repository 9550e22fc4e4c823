"""What the gateway does again and again: a part that fails stops no other, and says what it is."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from localai.api.app import create_app
from localai.api.gateway import Gateway
from localai.api.generated_files import GeneratedFiles
from localai.cards.catalog import Catalog
from localai.gallery.jobs import Jobs
from localai.pool.pool import Pool
from localai.settings import load_settings

LONG = 10.0
PARTS = {
    (Catalog, "refresh"): "the cards cannot be read again",
    (Pool, "retire_all_but"): "the models whose cards are gone cannot be unloaded",
    (GeneratedFiles, "remove_expired"): "the generated files that have expired cannot be removed",
    (Jobs, "begin_due"): "the jobs that have waited long enough cannot be tried again",
    (Jobs, "take_over_left"): "the jobs that other gateways left cannot be taken over",
}


@pytest.mark.parametrize("failing", PARTS, ids=lambda part: part[1])
async def test_a_part_of_a_round_that_fails_stops_no_other(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failing: tuple[type, str],
) -> None:
    monkeypatch.setattr("localai.api.app._TAKE_OVER_EVERY", 0.01)
    app = create_app(
        load_settings(
            models=tmp_path, store=tmp_path / "store", runtime_dir=tmp_path, reload_interval=0.01
        )
    )
    gateway: Gateway = app.state.gateway
    loop = asyncio.get_running_loop()
    done: dict[str, asyncio.Event] = {name: asyncio.Event() for _, name in PARTS}

    for kind, name in PARTS:

        def part(*_: object, name: str = name) -> None:
            loop.call_soon_threadsafe(done[name].set)  # some are called on threads
            if name == failing[1]:
                raise RuntimeError("no such luck")

        monkeypatch.setattr(kind, name, part)
    async with app.router.lifespan_context(app):
        for event in done.values():
            await asyncio.wait_for(event.wait(), LONG)
        failure = done[failing[1]]
        failure.clear()
        await asyncio.wait_for(failure.wait(), LONG)  # and it is tried again in the next round
    assert PARTS[failing] in caplog.text
    assert not [text for part, text in PARTS.items() if part != failing and text in caplog.text]
    assert gateway.catalog.cards()


@pytest.mark.parametrize("slow", ["begin_due", "take_over_left"])
async def test_records_that_are_slow_to_read_keep_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    began, may_end = asyncio.Event(), threading.Event()
    ended_in_time: list[bool] = []
    loop = asyncio.get_running_loop()

    def look(*_: object) -> None:
        loop.call_soon_threadsafe(began.set)
        ended_in_time.append(may_end.wait(LONG))

    monkeypatch.setattr(Jobs, slow, look)
    monkeypatch.setattr("localai.api.app._TAKE_OVER_EVERY", 0.01)
    app = create_app(
        load_settings(
            models=tmp_path, store=tmp_path / "store", runtime_dir=tmp_path, reload_interval=0.01
        )
    )
    async with app.router.lifespan_context(app):
        await asyncio.wait_for(began.wait(), LONG)
        may_end.set()
    assert False not in ended_in_time
