"""A LocalAI YAML that names where its files come from becomes a card that loads and answers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.gateways import RunningGateway, eventually
from tests.starter_calls import STARTER
from tests.unit.store.file_server import FileServer, serve_files

CHAT = (STARTER / "chat/starter-chat.gguf").read_bytes()
EYES = (STARTER / "vision/starter-chat-mmproj.gguf").read_bytes()
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
LONG = 60.0


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as server:
        yield server


def import_into(folder: Path, data: dict[str, Any]) -> None:
    """Run `localai card import` on a LocalAI YAML, with the models folder as its target."""
    source = folder / "localai.yaml"
    source.write_text(yaml.safe_dump(data), "utf-8")
    command = [sys.executable, "-m", "localai.cli", "card", "import", str(source)]
    places = ["--output", str(folder / "models"), "--store", str(folder / "store")]
    done = subprocess.run([*command, *places], capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 0, done.stderr


def ask(gateway: RunningGateway, model: str, messages: list[Any]) -> httpx2.Response:
    asked = {"model": model, "messages": messages}
    return gateway.http.post("/v1/chat/completions", json=asked, timeout=LONG)


def answer(gateway: RunningGateway, model: str, messages: list[Any]) -> str:
    """Return the answer of a model that is fetched at its first call."""
    first = ask(gateway, model, messages)
    assert (first.status_code, "fetched" in first.text) == (503, True)
    eventually(
        lambda: (
            "done" in {job["state"] for job in gateway.http.get("/models/jobs").json().values()}
        ),
        LONG,
    )
    second = ask(gateway, model, messages)
    assert second.status_code == 200, second.text
    return str(second.json()["choices"][0]["message"]["content"])


def test_files_that_a_localai_yaml_downloads_are_fetched_and_loaded(
    tmp_path: Path, server: FileServer
) -> None:
    gateway = RunningGateway(tmp_path)
    gateway.environ = {"HF_HUB_OFFLINE": "0"}
    listed = {
        # Other names than those that the files have where they come from, as is usual there.
        "chat-model.gguf": server.put("/a/starter-Q8_0.gguf", CHAT),
        "eyes-f16.gguf": server.put("/a/mmproj.gguf", EYES),
    }
    import_into(
        tmp_path,
        {
            "name": "gpt-like",
            "backend": "llama-cpp",
            "context_size": "2048",
            "mmproj": "eyes-f16.gguf",
            "known_usecases": ["FLAG_CHAT", "FLAG_VISION"],
            "parameters": {"model": "chat-model.gguf", "temperature": 0},
            "download_files": [
                {
                    "filename": name,
                    "uri": uri,
                    "sha256": hashlib.sha256(CHAT if "chat" in name else EYES).hexdigest(),
                }
                for name, uri in listed.items()
            ],
        },
    )
    with gateway:
        assert answer(gateway, "gpt-like", QUESTION) == "Paris."
        told = gateway.http.get("/v1/models/gpt-like").json()
        assert told["is_here"] is True
        assert "vision" in told["capabilities"]
