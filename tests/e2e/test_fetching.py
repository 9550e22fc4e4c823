"""A card whose model is elsewhere: its fallback answers at once, and the model takes over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateways import RunningGateway, eventually
from tests.starter_calls import STARTER
from tests.unit.store.file_server import Fault, FileServer, serve_files
from tests.unit.store.hub_server import Hub

REPO, FILE = "org/small", "small-Q4_K_M.gguf"
REFERENCE = f"hf://{REPO}/{FILE}"
CONTENT = (STARTER / "chat/starter-chat.gguf").read_bytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HELLO = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
FALLBACK_FOR = "x-localai-fallback-for"
LONG = 60.0


@pytest.fixture
def cdn() -> Iterator[FileServer]:
    with serve_files() as server:
        yield server


@pytest.fixture
def hub(cdn: FileServer) -> Iterator[Hub]:
    with serve_files() as server:
        hub = Hub(server, cdn)
        hub.put(REPO, {FILE: CONTENT})
        yield hub


def gateway_at(folder: Path, hub: Hub) -> RunningGateway:
    gateway = RunningGateway(folder)
    gateway.environ = {
        "HF_ENDPOINT": hub.server.url, "HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "0"
    }  # fmt: skip
    return gateway


def card(sha256: str = SHA256, fallback: str = "fallback: echo") -> str:
    return (
        f"name: small\nbackend: llama_cpp\nmodel: {REFERENCE}\n{fallback}\n"
        f"files: [{{path: {FILE}, uri: '{REFERENCE}', sha256: '{sha256}'}}]\n"
    )


def ask(gateway: RunningGateway) -> Any:
    return gateway.http.post("/v1/chat/completions", json={"model": "small", **HELLO}, timeout=LONG)


def job(gateway: RunningGateway) -> dict[str, Any]:
    return next(iter(gateway.http.get("/models/jobs").json()["data"]), {})


def test_fallback_answers_until_the_model_is_here(
    tmp_path: Path, hub: Hub, cdn: FileServer
) -> None:
    cdn.always = Fault(pause_at=1 << 20)
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card())
    with gateway:
        first = ask(gateway)
        assert (first.json()["model"], first.headers[FALLBACK_FOR]) == ("echo", "small")
        eventually(lambda: job(gateway).get("current_bytes", 0) > 0, LONG)
        seen = job(gateway)
        assert (seen["state"], seen["total_bytes"]) == ("running", len(CONTENT))
        assert 0 < seen["progress"] < 100
        ready = gateway.http.get("/ready", params={"full": "1"})
        assert (ready.status_code, ready.json()["missing"]) == (503, {"small": [REFERENCE]})
        assert gateway.http.get("/ready").status_code == 200
        assert gateway.http.get("/v1/models/small").json()["is_here"] is False

        cdn.go_on.set()
        eventually(lambda: job(gateway)["state"] == "done", LONG)
        second = ask(gateway)
        assert second.json()["model"] == "small"
        assert FALLBACK_FOR not in second.headers
        assert second.json()["choices"][0]["message"]["content"] == "Paris."
        assert gateway.http.get("/ready", params={"full": "1"}).status_code == 200
        assert gateway.http.get("/v1/models/small").json()["is_here"] is True


def test_a_wrong_hash_is_told_and_the_fallback_goes_on(tmp_path: Path, hub: Hub) -> None:
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card(sha256="0" * 64))
    with gateway:
        assert ask(gateway).headers[FALLBACK_FOR] == "small"
        eventually(lambda: job(gateway).get("state") == "failed", LONG)
        error = job(gateway)["error"]
        assert error["code"] == "wrong_hash"
        assert "0" * 64 in error["message"]
        assert SHA256 in error["message"]
        assert ask(gateway).headers[FALLBACK_FOR] == "small"
        assert len(gateway.http.get("/models/jobs").json()["data"]) == 1
        assert not list(gateway.store.rglob("*.gguf"))


def test_a_killed_gateway_goes_on_where_it_was(tmp_path: Path, hub: Hub, cdn: FileServer) -> None:
    cdn.always = Fault(pause_at=1 << 20)
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card())
    with gateway:
        ask(gateway)
        eventually(lambda: job(gateway).get("current_bytes", 0) > 0, LONG)
        gateway.process.kill()
        gateway.process.wait()
    cdn.always = None
    again = gateway_at(tmp_path, hub)
    with again:
        eventually(lambda: job(again).get("state") == "done", LONG)
        assert ask(again).json()["model"] == "small"


def test_a_job_is_cancelled(tmp_path: Path, hub: Hub, cdn: FileServer) -> None:
    cdn.always = Fault(pause_at=1 << 20)
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card())
    with gateway:
        ask(gateway)
        eventually(lambda: job(gateway).get("current_bytes", 0) > 0, LONG)
        number = job(gateway)["id"]
        assert gateway.http.delete(f"/models/jobs/{number}").status_code == 200
        eventually(lambda: job(gateway)["state"] == "cancelled", LONG)
        again = gateway.http.post(f"/models/jobs/{number}/cancel")
        assert (again.status_code, again.json()["error"]["type"]) == (400, "invalid_request_error")
        assert gateway.http.get("/models/jobs/none").status_code == 404


def test_without_fallback_it_says_how_far_it_is(tmp_path: Path, hub: Hub) -> None:
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card(fallback=""))
    with gateway:
        answer = ask(gateway)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert answer.json()["error"]["code"] == "model_not_here"
        eventually(lambda: job(gateway).get("state") == "done", LONG)
        assert ask(gateway).json()["model"] == "small"
