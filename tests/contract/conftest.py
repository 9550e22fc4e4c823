"""The workers that the contract is held against, started as the pool starts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from localai.pool.connection import WorkerClient, WorkerResponse
from localai.pool.launchers.process import Process, ProcessLauncher
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.protocol.manifest import read_manifest
from localai.settings import builtin_backends_folder, builtin_cards_folder
from tests.gateways import DEADLINE

STARTER = builtin_cards_folder().parent / "chat" / "starter-chat.gguf"
MODELS: dict[str, tuple[Path | None, dict[str, Any]]] = {
    "echo": (None, {}),
    "llama_cpp": (STARTER, {"n_ctx": 512}),
}


@dataclass
class ContractWorker:
    """A worker that is ready, and how to talk to it."""

    backend: str
    process: Process
    client: WorkerClient
    info: WorkerInfo

    async def post(self, path: str, **body: Any) -> WorkerResponse:
        """Call a route; the answer's head is there."""
        return await self.client.request("POST", path, orjson.dumps(body))

    async def chat(self, content: str, **fields: Any) -> WorkerResponse:
        """Make a chat call."""
        messages = [{"role": "user", "content": content}]
        return await self.post("/v1/chat/completions", messages=messages, **fields)

    async def get(self, path: str) -> Any:
        """Return the JSON of a GET route."""
        response = await self.client.request("GET", path)
        return orjson.loads(await response.read())

    async def metric(self, name: str) -> float:
        """Return one of the worker's own figures."""
        response = await self.client.request("GET", "/metrics")
        lines = (await response.read()).decode().splitlines()
        response.close()
        figures = dict(line.split(" ") for line in lines if line[0] != "#")
        return float(figures[f"localai_worker_{name}"])


@pytest.fixture(params=sorted(MODELS))
def backend_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest_asyncio.fixture
async def worker(backend_name: str, runtime: Path) -> AsyncIterator[ContractWorker]:
    launcher = ProcessLauncher(runtime)
    process = await launcher.launch(worker_spec(backend_name))
    info = await process.ready(DEADLINE, lambda: None)
    client = WorkerClient(process.socket)
    yield ContractWorker(backend_name, process, client, info)
    client.close()
    await process.stop()
    launcher.close()


def worker_spec(backend_name: str, **options: Any) -> LaunchSpec:
    """Return how the pool would start this backend's worker."""
    folder = builtin_backends_folder() / backend_name
    model, own = MODELS[backend_name]
    return LaunchSpec(
        name=f"contract-{backend_name}",
        backend=folder,
        socket=Path("socket"),
        model=model,
        options=read_manifest(folder).option_defaults() | own | options,
        max_concurrent=4,
    )


async def frames_of(response: WorkerResponse) -> list[str]:
    """Return the payloads of a streamed answer."""
    raw = (await asyncio.wait_for(response.read(), DEADLINE)).decode()
    return [frame.removeprefix("data: ") for frame in raw.split("\n\n") if frame]
