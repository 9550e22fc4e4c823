"""Models are found, installed and deleted over HTTP, with LocalAI's bodies and answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateways import RunningGateway, eventually
from tests.starter_calls import STARTER
from tests.unit.store.file_server import serve_files
from tests.unit.store.hub_server import Hub

REPO, FILE = "org/small", "small-Q4_K_M.gguf"
CONTENT = (STARTER / "chat/starter-chat.gguf").read_bytes()
LONG = 60.0
QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
GALLERY = {
    "models": [
        {
            "name": "small",
            "description": "Answers small questions.",
            "licence": "mit",
            "capabilities": ["chat"],
            "backend": "llama_cpp",
            "size": len(CONTENT),
            "files": [
                {
                    "path": FILE,
                    "uri": f"hf://{REPO}/{FILE}",
                    "sha256": hashlib.sha256(CONTENT).hexdigest(),
                }
            ],
        }
    ]
}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    with serve_files() as server, serve_files() as cdn:
        Hub(server, cdn).put(REPO, {FILE: CONTENT})
        (tmp_path / "galleries").mkdir()
        (tmp_path / "galleries/mine.yaml").write_text(yaml.safe_dump(GALLERY))
        known = {"galleries": [{"name": "mine", "source": "/elsewhere/mine.yaml"}]}
        (tmp_path / "galleries.yaml").write_text(yaml.safe_dump(known))
        running = RunningGateway(tmp_path)
        running.environ = {
            "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0"
        }  # fmt: skip
        with running:
            yield running


def apply(gateway: RunningGateway, **body: object) -> dict[str, Any]:
    """Begin an installation and return its job when it has ended."""
    answer = gateway.http.post("/models/apply", json=body)
    assert answer.status_code == 200, answer.text
    status = answer.json()["status"]
    assert status.endswith(f"/models/jobs/{answer.json()['uuid']}")
    eventually(lambda: gateway.http.get(status).json()["processed"], LONG)
    job: dict[str, Any] = gateway.http.get(status).json()
    return job


def answer_of(gateway: RunningGateway, model: str) -> str:
    answer = gateway.http.post(
        "/v1/chat/completions", json={"model": model, **QUESTION}, timeout=LONG
    )
    return str(answer.json()["choices"][0]["message"]["content"])


def test_a_model_of_a_gallery_is_installed_used_and_deleted(gateway: RunningGateway) -> None:
    job = apply(gateway, id="mine@small")
    assert (job["state"], job["progress"], job["error"]) == ("done", 100.0, None)
    assert answer_of(gateway, "small") == "Paris."
    listed = gateway.http.get("/models/available", params={"term": "small questions"}).json()
    found = listed[0]
    assert (found["name"], found["installed"], found["gallery"]) == (
        "small", True, {"name": "mine"}
    )  # fmt: skip

    deleted = gateway.http.post("/models/delete/small").json()
    assert (deleted["deleted"], deleted["freed_bytes"]) == (True, len(CONTENT))
    assert gateway.http.get("/v1/models/small").status_code == 404
    assert not list(gateway.store.rglob("*.gguf"))


def test_a_model_is_pulled_by_its_reference(gateway: RunningGateway) -> None:
    job = apply(gateway, url=f"hf://{REPO}", name="mine")
    assert (job["state"], job["total_bytes"]) == ("done", len(CONTENT))
    assert answer_of(gateway, "mine") == "Paris."


def test_models_are_listed_by_capability_and_by_what_fits(gateway: RunningGateway) -> None:
    def names(**query: str) -> set[str]:
        return {one["name"] for one in gateway.http.get("/models/available", params=query).json()}

    assert "small" in names()
    assert "small" in names(capability="chat", fits="1")
    assert "small" not in names(capability="speech")
    assert names(capability="speech")
    everything = gateway.http.get("/models/available").json()
    assert all(one["fit"] for one in everything)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"id": "mine@smal"}, 404, "id"),
        ({"id": "other@small"}, 404, "id"),
        ({}, 400, None),
        ({"id": "mine@small", "url": f"hf://{REPO}"}, 400, None),
        ({"id": "mine@small", "overrides": {"context_size": 1}}, 400, "overrides"),
        ({"id": "mine@small", "name": "x"}, 400, "name"),
    ],
)
def test_what_cannot_be_installed_is_told_at_once(
    gateway: RunningGateway, body: dict[str, Any], status: int, param: str | None
) -> None:
    answer = gateway.http.post("/models/apply", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.text
    assert gateway.http.get("/models/jobs").json()["data"] == []


def test_a_reference_that_leads_nowhere_is_the_jobs_error(gateway: RunningGateway) -> None:
    job = apply(gateway, url="hf://org/none")
    assert job["state"] == "failed"
    assert "org/none" in job["error"]["message"]


def test_what_ships_with_the_program_is_not_deleted(gateway: RunningGateway) -> None:
    answer = gateway.http.post("/models/delete/starter-chat")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "name")
    assert gateway.http.get("/v1/models/starter-chat").status_code == 200
    assert gateway.http.post("/models/delete/none").status_code == 404
