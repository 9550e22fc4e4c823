"""Recordings in prompts, with random ears on a random model."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from backends.llama_cpp.worker import LlamaCpp
from benchmarks.random_gguf import Shape, write_random_gguf
from localai.errors import InvalidRequest
from localai.protocol.capabilities import Capability
from localai.protocol.events import TextDelta
from localai.protocol.requests import ChatRequest
from tests.unit.llama_cpp.asking import ENDLESS, Answer, backend_for, collect
from tests.unit.llama_cpp.random_senses import write_ears


@pytest_asyncio.fixture
async def backend(tmp_path: Path) -> AsyncIterator[LlamaCpp]:
    write_random_gguf(tmp_path / "language.gguf", Shape(64, 2, 4, 2, 128, 600, 2048))
    write_ears(tmp_path / "ears.gguf")
    backend = backend_for(
        tmp_path / "language.gguf", mmproj=str(tmp_path / "ears.gguf"), max_concurrent=2
    )
    assert Capability.HEARING in (await backend.load()).capabilities
    yield backend
    await backend.unload()


def recording(seed: int, seconds: float = 1.0, rate: int = 22_050) -> dict[str, Any]:
    noise = np.random.default_rng(seed).normal(0, 3000, int(rate * seconds)).astype("<i2")
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(noise.tobytes())
    data = base64.b64encode(content.getvalue()).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


async def ask(backend: LlamaCpp, *parts: dict[str, Any]) -> Answer:
    content = [*parts, {"type": "text", "text": "what was said"}]
    request = ChatRequest.model_validate(
        {
            "messages": [{"role": "user", "content": content}],
            "temperature": 0.0, "max_tokens": 16, "logit_bias": ENDLESS, "logprobs": True,
        }
    )  # fmt: skip
    return await collect(backend.chat(request))


def first_logprob(answer: Answer) -> float:
    entries = [e.logprobs for e in answer.events if isinstance(e, TextDelta) and e.logprobs]
    return float(entries[0][0]["logprob"])


async def test_a_recording_changes_the_answer(backend: LlamaCpp) -> None:
    one, other = await ask(backend, recording(1)), await ask(backend, recording(2))
    assert first_logprob(one) != pytest.approx(first_logprob(other), abs=1e-3)
    assert one.usage.prompt_tokens > (await ask(backend)).usage.prompt_tokens + 20


async def test_the_same_recording_gives_the_same_answer(backend: LlamaCpp) -> None:
    one, again = await ask(backend, recording(1)), await ask(backend, recording(1))
    assert first_logprob(one) == pytest.approx(first_logprob(again), abs=1e-3)
    assert again.usage.cached_tokens > 20


async def test_a_picture_is_refused_by_a_model_that_only_hears(backend: LlamaCpp) -> None:
    with pytest.raises(InvalidRequest, match="'image_url'"):
        await ask(backend, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}})
