"""A machine that comes online later gets its models without a call or a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from localai.api.app import create_app
from localai.api.gateway import Gateway
from localai.gallery import jobs
from localai.settings import load_settings
from localai.store.errors import Unreachable
from localai.store.records import StoredModel
from localai.store.store import Store

LONG = 10.0


async def test_what_could_not_be_reached_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 0
    loop, is_reached = asyncio.get_running_loop(), asyncio.Event()

    def pull(store: Store, text: str, **_: object) -> StoredModel:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise Unreachable("hub cannot be asked.", host="hub")
        loop.call_soon_threadsafe(is_reached.set)
        return StoredModel(text, tmp_path, tmp_path / "a.gguf")

    monkeypatch.setattr(Store, "pull", pull)
    monkeypatch.setattr(jobs, "PAUSES", (0.01,))
    (tmp_path / "small.yaml").write_text(
        "name: small\nbackend: llama_cpp\nmodel: hf://org/small\nfallback: starter-chat\n"
    )
    app = create_app(
        load_settings(
            models=tmp_path, store=tmp_path / "store", runtime_dir=tmp_path, reload_interval=0.01
        )
    )
    gateway: Gateway = app.state.gateway
    async with app.router.lifespan_context(app):
        job = gateway.fetch(gateway.catalog.find("small"))
        assert job is not None
        await asyncio.wait_for(is_reached.wait(), LONG)
        ended = await asyncio.to_thread(gateway.jobs.wait, job.id, LONG)
        assert ended.state == "done"
    assert attempts == 3
