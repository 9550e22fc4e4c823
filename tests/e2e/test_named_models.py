"""A card whose model is a short name or `org/repo`: the same as a reference with a scheme."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateways import RunningGateway, eventually
from tests.starter_calls import STARTER
from tests.unit.store.file_server import serve_files
from tests.unit.store.hub_server import Hub

FILE = "small-Q4_K_M.gguf"
CONTENT = (STARTER / "chat/starter-chat.gguf").read_bytes()
HELLO = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
LONG = 60.0


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    with serve_files() as server:
        Hub(server, server).put("org/small", {FILE: CONTENT})
        short = tmp_path / "config/localai/shortnames.conf"
        short.parent.mkdir(parents=True)
        short.write_text(f'[shortnames]\n"tiny" = "hf://org/small/{FILE}"\n', "utf-8")
        gateway = RunningGateway(tmp_path)
        gateway.environ = {
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": "0",
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
        }
        yield gateway


def ended(gateway: RunningGateway) -> list[dict[str, Any]]:
    jobs = list(gateway.http.get("/models/jobs").json().values())
    return jobs if all(job["processed"] for job in jobs) else []


@pytest.mark.parametrize(
    ("written", "reference"),
    [
        ("tiny", f"hf://org/small/{FILE}"),
        ("org/small", "hf://org/small"),
        ("hf.co/org/small:Q4_K_M", "hf://org/small:Q4_K_M"),
    ],
)
def test_the_first_call_fetches_it(gateway: RunningGateway, written: str, reference: str) -> None:
    gateway.add_card(
        "small", f"name: small\nbackend: llama_cpp\nmodel: '{written}'\nfallback: echo\n"
    )
    with gateway:

        def answering() -> str:
            body = {"model": "small", **HELLO}
            answer = gateway.http.post("/v1/chat/completions", json=body, timeout=LONG)
            assert answer.status_code == 200, answer.text
            return str(answer.json()["model"])

        assert answering() == "echo"
        (job,) = eventually(lambda: ended(gateway), LONG)
        assert (job["state"], job["error"]) == ("done", None), job
        eventually(lambda: answering() == "small", LONG)
        stored = [json.loads(path.read_text()) for path in gateway.store.glob("records/*.json")]
        assert [one["reference"] for one in stored] == [reference]
