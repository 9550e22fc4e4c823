"""What a caller of the HTTP API names does not lead the gateway to private addresses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.applying import apply
from tests.gateways import RunningGateway, eventually
from tests.starter_calls import STARTER
from tests.unit.store.file_server import FileServer, serve_files
from tests.unit.store.hub_server import Hub

REPO, FILE = "org/small", "small-Q4_K_M.gguf"
CONTENT = (STARTER / "chat/starter-chat.gguf").read_bytes()
LONG = 60.0


@pytest.fixture
def inside() -> Iterator[FileServer]:
    """A server that only the operator may speak of."""
    with serve_files() as server:
        server.put("/m.gguf", CONTENT)
        server.put("/base.yaml", b"name: base\n")
        yield server


@pytest.fixture
def gateway(tmp_path: Path, inside: FileServer) -> Iterator[RunningGateway]:
    entry = {
        "name": "small", "description": "Small.", "licence": "mit", "capabilities": ["chat"],
        "backend": "llama_cpp", "files": [{"path": "m.gguf", "uri": f"{inside.url}/m.gguf"}],
    }  # fmt: skip
    (tmp_path / "galleries").mkdir()
    (tmp_path / "galleries/mine.yaml").write_text(yaml.safe_dump({"models": [entry]}))
    known = {"galleries": [{"name": "mine", "source": "/elsewhere/mine.yaml"}]}
    (tmp_path / "galleries.yaml").write_text(yaml.safe_dump(known))
    with serve_files() as hub:
        Hub(hub, cdn=hub).put(REPO, {FILE: CONTENT})
        running = RunningGateway(tmp_path)
        running.environ = {
            "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0"
        }  # fmt: skip
        with running:
            yield running


def test_nothing_that_a_caller_names_leads_inside(
    gateway: RunningGateway, inside: FileServer
) -> None:
    url, host = inside.url, inside.origin
    more = [{"filename": "eyes.gguf", "uri": f"{url}/m.gguf"}]
    config = {"backend": "llama-cpp", "parameters": {"model": "eyes.gguf"}}
    for body in (
        {"url": f"{url}/m.gguf"},
        {"url": f"{url}/base.yaml"},
        {"url": f"ollama://{host}/a/b"},
        {"url": f"oci://{host}/a/b:v1"},
        {"id": "mine@small"},
        {"url": f"hf://{REPO}", "name": "one", "files": more},
        {"url": f"hf://{REPO}", "name": "two", "overrides": {"mmproj": f"{url}/m.gguf"}},
        {"name": "three", "config_file": config, "files": more},
    ):
        job = apply(gateway, **body)
        assert job["error_code"] == "private_address", (body, job)
        assert "LOCALAI_ALLOW_PRIVATE_MODELS=true" in job["error"]
    assert inside.asked == []
    assert not [
        name for name in ("one", "two", "three") if (gateway.models / f"{name}.yaml").exists()
    ]


def test_what_the_operator_names_is_fetched_wherever_it_is(
    gateway: RunningGateway, inside: FileServer
) -> None:
    assert apply(gateway, url=f"hf://{REPO}", name="mine")["state"] == "done"
    gateway.add_card("own", f"name: own\nbackend: llama_cpp\nmodel: {inside.url}/m.gguf\n")
    question = {"model": "own", "messages": [{"role": "user", "content": "hello"}]}
    eventually(
        lambda: gateway.http.post("/v1/chat/completions", json=question).status_code != 404, LONG
    )
    eventually(lambda: [one for one in inside.asked if one.sent], LONG)
