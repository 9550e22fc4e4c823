"""Pictures in prompts: what a model says of them does not depend on caches and neighbours.

The models are a random Qwen2-VL, where a picture takes fewer positions than tokens, and the
starter, where it takes as many.
"""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from llama_cpp import mtmd_cpp
from PIL import Image

from backends.llama_cpp.engine.media import Medium, Piece, Projector, Span, spans_of
from backends.llama_cpp.prompts import Prompt
from backends.llama_cpp.worker import LlamaCpp
from localai.errors import ContextLengthExceeded, InvalidRequest, LoadFailed, WorkerStopped
from localai.protocol.capabilities import Capability
from localai.protocol.requests import ChatRequest
from localai.settings import builtin_cards_folder
from tests.gateways import until
from tests.unit.llama_cpp.asking import (
    DEADLINE,
    ENDLESS,
    Answer,
    Gate,
    backend_for,
    chat,
    collect,
    loaded,
)
from tests.unit.llama_cpp.random_senses import write_language_model, write_projector

STARTERS = builtin_cards_folder().parent
Turns = tuple[list[Any] | str, ...]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("eyes")
    write_language_model(folder / "language.gguf")
    write_projector(folder / "projector.gguf")
    return {
        "qwen2vl": (folder / "language.gguf", folder / "projector.gguf"),
        "starter": (
            STARTERS / "chat" / "starter-chat.gguf",
            STARTERS / "vision" / "starter-chat-mmproj.gguf",
        ),
    }


@pytest.fixture(params=["qwen2vl", "starter"])
def files(request: pytest.FixtureRequest, models: dict[str, tuple[Path, Path]]) -> Any:
    return models[request.param]


@pytest_asyncio.fixture
async def backend(files: tuple[Path, Path]) -> AsyncIterator[LlamaCpp]:
    async with loaded(files[0], mmproj=str(files[1]), n_ctx=1024) as backend:
        yield backend


def picture(seed: int, width: int = 96, height: int = 64) -> dict[str, Any]:
    """A picture of large random squares."""
    squares = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    content = io.BytesIO()
    image = Image.fromarray(squares).resize((width, height), Image.Resampling.NEAREST)
    image.save(content, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def conversation(*turns: list[Any] | str, **fields: Any) -> ChatRequest:
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": turn} for n, turn in enumerate(turns)]
    plain = {"temperature": 0.0, "max_tokens": 16, "logit_bias": ENDLESS}
    return ChatRequest.model_validate({"messages": messages, **plain, **fields})


async def ask(backend: LlamaCpp, *turns: list[Any] | str, **fields: Any) -> Answer:
    return await collect(backend.chat(conversation(*turns, **fields)))


async def asked_alone(files: tuple[Path, Path], *turns: list[Any] | str) -> str:
    """What a worker says that has seen nothing before."""
    async with loaded(files[0], mmproj=str(files[1]), n_ctx=1024) as fresh:
        return (await ask(fresh, *turns)).text()


ONE: Turns = ([text("what is"), picture(1), text("this")],)
OTHER: Turns = ([text("what is"), picture(2), text("this")],)
TWO: Turns = ([picture(1), picture(2, 64, 128), text("compare")],)
FOLLOW_UP: Turns = (ONE[0], "a thing", [text("and"), picture(3), text("this one")])


async def test_a_picture_changes_the_answer(backend: LlamaCpp) -> None:
    one, other = await ask(backend, *ONE), await ask(backend, *OTHER)
    assert one.text() != other.text()
    assert one.usage.prompt_tokens == other.usage.prompt_tokens > 20


async def test_the_loaded_model_says_that_it_sees(files: tuple[Path, Path]) -> None:
    backend = backend_for(files[0], mmproj=str(files[1]))
    capabilities = (await backend.load()).capabilities
    await backend.unload()
    assert Capability.VISION in capabilities
    assert Capability.HEARING not in capabilities


@pytest.mark.parametrize("turns", [ONE, TWO, FOLLOW_UP])
async def test_what_is_cached_does_not_change_the_answer(
    backend: LlamaCpp, files: tuple[Path, Path], turns: Turns
) -> None:
    alone = await asked_alone(files, *turns)
    for before in (ONE, OTHER, TWO, FOLLOW_UP):
        await ask(backend, *before)
    again = [await ask(backend, *turns) for _ in range(2)]
    assert [answer.text() for answer in again] == [alone, alone]
    assert again[1].usage.cached_tokens > 0


async def test_neighbours_do_not_change_the_answer(
    backend: LlamaCpp, files: tuple[Path, Path]
) -> None:
    turns: list[Turns] = [ONE, TWO, FOLLOW_UP, ("hello there",), OTHER]
    alone = [await asked_alone(files, *one) for one in turns]
    together = await asyncio.gather(*(ask(backend, *one) for one in turns))
    assert [answer.text() for answer in together] == alone


async def test_several_choices_share_a_picture(backend: LlamaCpp) -> None:
    answer = await ask(backend, *ONE, n=3)
    assert answer.text(0) == answer.text(1) == answer.text(2) != ""
    assert answer.text(0) == (await ask(backend, *ONE)).text()


async def test_a_cancelled_picture_leaves_nothing_behind(backend: LlamaCpp) -> None:
    events = backend.chat(conversation(*TWO, max_tokens=1000))
    await anext(events)
    await events.aclose()
    assert (await ask(backend, *ONE)).text() == (await ask(backend, *ONE)).text()
    assert backend.metrics()["sequences_running"] == 0


async def test_more_pictures_than_the_context_holds_are_refused(backend: LlamaCpp) -> None:
    many = [picture(seed, 512, 512) for seed in range(20)]
    with pytest.raises(ContextLengthExceeded):
        await ask(backend, many)


async def test_a_file_beside_a_picture_is_refused(backend: LlamaCpp) -> None:
    file = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA"}}
    with pytest.raises(InvalidRequest, match="'file'") as raised:
        await ask(backend, [picture(1), file, text("what is in them")])
    assert raised.value.param == "messages[0].content[1]"


async def test_a_prompt_that_ends_with_a_picture_is_refused(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = Projector._cut

    def without_frame(projector: Projector, medium: Medium, key: bytes) -> list[Piece]:
        return [piece for piece in cut(projector, medium, key) if isinstance(piece, Span)]

    monkeypatch.setattr(Projector, "_cut", without_frame)
    bare = "{{ messages[0].content }}"
    async with loaded(files[0], mmproj=str(files[1]), n_ctx=1024, chat_template=bare) as backend:
        assert (await ask(backend, [picture(1), text("what is it")])).text()
        with pytest.raises(InvalidRequest, match=r"options\.chat_template"):
            await ask(backend, [text("what is it"), picture(1)])


async def test_a_recording_is_refused_by_a_model_that_cannot_hear(backend: LlamaCpp) -> None:
    part = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    with pytest.raises(InvalidRequest, match="'input_audio'") as raised:
        await ask(backend, [part])
    assert raised.value.param == "messages[0].content[0]"


async def test_a_blind_model_refuses_pictures(files: tuple[Path, Path]) -> None:
    async with loaded(files[0]) as blind:
        with pytest.raises(InvalidRequest, match="'image_url'"):
            await ask(blind, *ONE)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "there is no file"), (b"PK\3\4", "is not a GGUF file")]
)
async def test_a_wrong_projector_is_told(
    files: tuple[Path, Path], tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "projector.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LoadFailed, match=said):
        async with loaded(files[0], mmproj=str(path)):
            pass


async def test_a_projector_of_another_model_is_told(
    models: dict[str, tuple[Path, Path]],
) -> None:
    with pytest.raises(LoadFailed, match="cannot load the projector"):
        async with loaded(models["starter"][0], mmproj=str(models["qwen2vl"][1])):
            pass


class SlowStep:
    """A method that takes until `open`, on whatever thread it is called."""

    def __init__(self, owner: Any, name: str, patch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self._open = threading.Event()
        self._method: Callable[..., Any] = getattr(owner, name)
        patch.setattr(owner, name, self._call)

    def _call(self, *values: Any) -> Any:
        self.calls += 1
        assert self._open.wait(2 * DEADLINE)
        return self._method(*values)

    def open(self) -> None:
        self._open.set()


@pytest_asyncio.fixture
async def seeing(models: dict[str, tuple[Path, Path]]) -> AsyncIterator[LlamaCpp]:
    language, projector = models["qwen2vl"]
    async with loaded(language, mmproj=str(projector), n_ctx=1024) as backend:
        yield backend


async def test_what_is_finished_does_not_wait_for_a_picture(
    seeing: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(seeing, monkeypatch)
    reading = SlowStep(seeing._context, "decode_span", monkeypatch)
    gate.close()
    short = asyncio.create_task(chat(seeing, max_tokens=2))
    await until(lambda: gate.holds)
    looking = asyncio.create_task(ask(seeing, *ONE))
    await until(lambda: not seeing._engine._inbox.empty())
    gate.open()
    try:
        assert (await short).usage.completion_tokens == 2
    finally:
        reading.open()
    assert (await looking).text()
    assert reading.calls == 1


def prompt_of(backend: LlamaCpp, seed: int) -> Prompt:
    """A prompt of one picture, still to be encoded."""
    assert backend._projector is not None
    pixels = np.random.default_rng(seed).integers(0, 255, (56, 56, 3), np.uint8)
    return Prompt(*spans_of(backend._projector.read(Medium(pixels))))


async def test_pictures_that_wait_to_be_encoded_take_up_no_threads(
    seeing: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    projector = seeing._projector
    assert projector is not None
    encoding = SlowStep(projector, "_encode", monkeypatch)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    prompts = [prompt_of(seeing, seed) for seed in range(3)]
    filled = [asyncio.create_task(seeing._fill_spans([prompt])) for prompt in prompts]
    await until(lambda: encoding.calls == 1)
    try:
        assert (await chat(seeing, "of text alone")).text()
        other = asyncio.create_task(ask(seeing, *ONE))
        await until(lambda: len(projector._remembered) == 4)  # its picture is cut
    finally:
        encoding.open()
    await asyncio.gather(*filled)
    assert (await other).text()


async def test_a_caller_who_left_while_waiting_has_no_picture_encoded(
    seeing: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoding = SlowStep(seeing._projector, "_encode", monkeypatch)
    prompts = [prompt_of(seeing, seed) for seed in range(3)]
    stays, leaves, last = (asyncio.create_task(seeing._fill_spans([one])) for one in prompts)
    await until(lambda: encoding.calls == 1)
    leaves.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaves
    encoding.open()
    await asyncio.gather(stays, last)
    assert encoding.calls == 2


async def test_the_projector_is_freed_once_it_encodes_no_more(
    models: dict[str, tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = backend_for(models["qwen2vl"][0], mmproj=str(models["qwen2vl"][1]))
    await backend.load()
    encoding = SlowStep(backend._projector, "_encode", monkeypatch)
    freeing = SlowStep(mtmd_cpp, "mtmd_free", monkeypatch)
    freeing.open()
    prompts = [prompt_of(backend, seed) for seed in range(2)]
    runs, waits = (asyncio.create_task(backend._fill_spans([one])) for one in prompts)
    await until(lambda: encoding.calls == 1)
    unloading = asyncio.create_task(backend.unload())
    await until(lambda: backend._projector is not None and backend._projector._is_closed)
    assert freeing.calls == 0
    encoding.open()
    await unloading
    await runs
    with pytest.raises(WorkerStopped):
        await waits
    assert (encoding.calls, freeing.calls) == (1, 1)
