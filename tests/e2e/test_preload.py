"""Models that are named at the start come by themselves, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateways import RunningGateway, eventually
from tests.starter_calls import STARTER
from tests.unit.store.file_server import serve_files
from tests.unit.store.hub_server import Hub

REPO, FILE = "org/small-GGUF", "small-Q4_K_M.gguf"
CONTENT = (STARTER / "chat/starter-chat.gguf").read_bytes()
QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
LONG = 60.0


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_files() as server, serve_files() as cdn:
        hub = Hub(server, cdn)
        hub.put(REPO, {FILE: CONTENT})
        yield hub


def gateway_at(folder: Path, hub: Hub, **variables: str) -> RunningGateway:
    gateway = RunningGateway(folder)
    gateway.environ = {
        "HF_ENDPOINT": hub.server.url, "HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "0",
        **variables,
    }  # fmt: skip
    return gateway


def jobs(gateway: RunningGateway) -> list[dict[str, Any]]:
    return list(gateway.http.get("/models/jobs").json().values())


@pytest.mark.parametrize("variable", ["MODELS", "LOCALAI_PRELOAD"])
def test_a_model_comes_in_the_background_and_only_once(
    tmp_path: Path, hub: Hub, variable: str
) -> None:
    with gateway_at(tmp_path, hub, **{variable: f"starter-chat, hf://{REPO}"}) as gateway:
        assert gateway.http.get("/ready").status_code == 200
        (job,) = jobs(gateway)
        eventually(lambda: jobs(gateway)[0]["state"] == "done", LONG)
        asked = {"model": "small", **QUESTION}
        answer = eventually(
            lambda: gateway.http.post("/v1/chat/completions", json=asked, timeout=LONG)
        )
        assert answer.json()["choices"][0]["message"]["content"] == "Paris."

    with gateway_at(tmp_path, hub, **{variable: f"hf://{REPO}"}) as again:
        assert [one["id"] for one in jobs(again)] == [job["id"]]
        assert f"hf://{REPO} is here already" in again.log()


def test_what_cannot_come_without_a_network_is_named(tmp_path: Path, hub: Hub) -> None:
    variables = {"HF_HUB_OFFLINE": "1", "LOCALAI_PRELOAD": "qwen3-0.6b"}
    with gateway_at(tmp_path, hub, **variables) as gateway:
        eventually(lambda: jobs(gateway)[0]["state"] == "failed", LONG)
        ready = gateway.http.get("/ready?full=1")
        assert ready.status_code == 503
        assert "HF_HUB_OFFLINE" in ready.json()["failed"]["qwen3-0.6b"]
        assert "the model 'qwen3-0.6b' is not installed and not answered" in gateway.log()
