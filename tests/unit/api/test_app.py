from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import pytest
from fastapi import FastAPI

from localai.api.app import create_app
from localai.api.gateway import Gateway
from localai.settings import load_settings
from tests.gateways import DEADLINE


def make_app(tmp_path: Path) -> tuple[FastAPI, Gateway]:
    app = create_app(load_settings(models=tmp_path, runtime_dir=tmp_path, reload_interval=0.01))
    gateway: Gateway = app.state.gateway
    return app, gateway


def test_two_apps_share_nothing(tmp_path: Path) -> None:
    (_, one), (_, other) = make_app(tmp_path), make_app(tmp_path)
    assert one.pool is not other.pool
    assert one.catalog is not other.catalog
    assert one.metrics is not other.metrics


async def test_failed_pool_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app, gateway = make_app(tmp_path)
    ended: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()

    async def fail() -> None:
        raise RuntimeError("a mistake in the pool")

    monkeypatch.setattr(gateway.pool, "run", fail)
    monkeypatch.setattr(os, "kill", lambda pid, number: ended.set_result((pid, number)))
    async with app.router.lifespan_context(app):
        assert await asyncio.wait_for(ended, DEADLINE) == (os.getpid(), signal.SIGTERM)
    assert "the pool failed" in caplog.text


async def test_one_failed_reload_does_not_end_reloading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app, gateway = make_app(tmp_path)
    refreshed = asyncio.Event()
    refresh = gateway.catalog.refresh
    calls = 0

    def fail_once() -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("the disk is gone")
        refreshed.set()
        return refresh()

    monkeypatch.setattr(gateway.catalog, "refresh", fail_once)
    with caplog.at_level(logging.ERROR):
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(refreshed.wait(), DEADLINE)
    assert "cannot be read again" in caplog.text
