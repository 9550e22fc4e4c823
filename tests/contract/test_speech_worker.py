"""What every worker that speaks does, on its own socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from localai.errors import LoadFailed
from localai.pool.connection import WorkerClient, WorkerResponse
from localai.pool.launchers.process import ProcessLauncher
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.protocol.manifest import read_manifest
from localai.settings import builtin_backends_folder
from tests.contract.conftest import ContractWorker
from tests.gateways import DEADLINE
from tests.hearing import hear
from tests.starter_voice import VOICE

MODELS = {"echo": None, "piper": VOICE}
TEXT = "The first sentence is here. And this one is the second."


def spec_of(backend: str, model: Path | None) -> LaunchSpec:
    folder = builtin_backends_folder() / backend
    return LaunchSpec(
        name=f"speech-{backend}",
        backend=folder,
        socket=Path("socket"),
        model=model,
        options=read_manifest(folder).option_defaults(),
        max_concurrent=2,
    )


@pytest_asyncio.fixture(params=sorted(MODELS))
async def worker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ContractWorker]:
    backend = str(request.param)
    launcher = ProcessLauncher(tmp_path)
    process = await launcher.launch(spec_of(backend, MODELS[backend]))
    info: WorkerInfo = await process.ready(DEADLINE, lambda: None)
    client = WorkerClient(process.socket)
    yield ContractWorker(backend, process, client, info)
    client.close()
    await process.stop()
    launcher.close()


async def test_speaks_in_every_way(worker: ContractWorker) -> None:
    assert "speech" in worker.info.capabilities
    streamed = await say(worker, response_format="mp3")
    assert (b"content-type", b"audio/mpeg") in streamed.headers
    assert (b"transfer-encoding", b"chunked") in streamed.headers
    assert hear(await streamed.read(), "mp3").seconds > 1
    whole = await say(worker, response_format="wav")
    audio = await whole.read()
    assert (b"content-length", str(len(audio)).encode()) in whole.headers
    assert hear(audio, "wav").seconds > 1
    events = await (await say(worker, stream_format="sse")).read()
    assert events.startswith(b'data: {"type":"speech.audio.delta"')
    assert events.endswith(b"data: [DONE]\n\n")


async def test_lists_the_voices_that_it_takes(worker: ContractWorker) -> None:
    voices = (await worker.get("/v1/audio/voices"))["voices"]
    assert len(voices) >= 13
    for voice in voices[:3]:
        answer = await say(worker, voice=voice["id"], input="Hi.")
        assert answer.status == 200
        await answer.read()
    refused = await say(worker, voice="nobody at all")
    error = orjson.loads(await refused.read())["error"]
    assert (refused.status, error["param"]) == (400, "voice")
    assert all(voice["id"] in error["message"] for voice in voices)


async def test_refuses_what_it_cannot_honour(worker: ContractWorker) -> None:
    refused = await say(worker, instructions="Whisper.")
    error = orjson.loads(await refused.read())["error"]
    assert (refused.status, error["param"]) == (400, "instructions")
    assert error["code"] == "unsupported_parameter"


async def test_caller_who_leaves_is_not_spoken_to_any_longer(worker: ContractWorker) -> None:
    running = "sequences_running" if worker.backend == "echo" else "speeches_running"
    text = f"[[slow=5]] {TEXT}" if worker.backend == "echo" else (TEXT + " ") * 70
    response = await say(worker, input=text)
    await anext(response.chunks())
    assert await worker.metric(running) == 1
    response.close()
    async with asyncio.timeout(DEADLINE):
        while await worker.metric(running):
            pass  # each look is a call of its own
    assert await worker.metric("cancelled_total") == 1


async def test_voice_that_is_missing_is_a_typed_failure(tmp_path: Path) -> None:
    launcher = ProcessLauncher(tmp_path)
    process = await launcher.launch(spec_of("piper", Path("/nowhere/x.onnx")))
    with pytest.raises(LoadFailed, match=r"There is no file /nowhere/x\.onnx") as failure:
        await process.ready(DEADLINE, lambda: None)
    assert failure.value.details["phase"] == "load"
    launcher.close()


async def say(worker: ContractWorker, **fields: object) -> WorkerResponse:
    return await worker.post("/v1/audio/speech", **{"input": TEXT, "voice": "alloy", **fields})
