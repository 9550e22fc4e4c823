"""What happens when a step fails; llama.cpp's answers are put in its mouth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from backends.llama_cpp.engine.batch import Batch
from backends.llama_cpp.worker import LlamaCpp
from localai.errors import EngineFailed
from tests.gateways import until
from tests.unit.llama_cpp.asking import chat

Decode = Callable[[Batch], int]


def intercept(
    backend: LlamaCpp, monkeypatch: pytest.MonkeyPatch, code: Callable[[int], int | None]
) -> None:
    """Have steps return `code(tokens in the batch)` where that is not None."""
    decode: Decode = backend._context.decode

    def answer(batch: Batch) -> int:
        forced = code(batch.struct.n_tokens)
        return decode(batch) if forced is None else forced

    monkeypatch.setattr(backend._context, "decode", answer)


async def test_a_batch_without_room_is_tried_smaller(
    backend: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await chat(backend)
    intercept(backend, monkeypatch, lambda tokens: 1 if tokens > 3 else None)
    answers = await asyncio.gather(*(chat(backend, f"question {n}") for n in range(4)))
    assert {answer.usage.completion_tokens for answer in answers} == {16}
    assert (await chat(backend)).text() == expected.text()


@pytest.mark.parametrize("code", [1, 2, -1, -3])
async def test_a_step_that_cannot_be_computed_fails_its_answers(
    backend: LlamaCpp, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    expected = await chat(backend)
    with monkeypatch.context() as patch:
        intercept(backend, patch, lambda tokens: code)
        with pytest.raises(EngineFailed):
            await chat(backend, n=2)
    again = await chat(backend)
    assert again.text() == expected.text()
    assert backend.metrics()["sequences_running"] == 0
    assert backend.metrics()["failed_total"] == 1


async def test_an_exception_fails_all_answers_and_the_engine_goes_on(
    backend: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await chat(backend)
    failures = iter([True])

    def raise_once(tokens: int) -> int | None:
        if next(failures, False):
            raise RuntimeError("broken")
        return None

    intercept(backend, monkeypatch, raise_once)
    asked = (chat(backend, f"question {n}") for n in range(12))
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(result) for result in results} <= {EngineFailed, type(expected)}
    assert any(isinstance(result, EngineFailed) for result in results)
    assert (await chat(backend)).text() == expected.text()


async def test_an_engine_that_keeps_failing_ends_the_process(
    backend: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths: list[bool] = []
    monkeypatch.setattr(backend._engine, "_on_death", lambda: deaths.append(True))

    def fail(tokens: int) -> int:
        raise RuntimeError("broken")

    intercept(backend, monkeypatch, fail)
    for _ in range(2):
        with pytest.raises(EngineFailed):
            await chat(backend)
    await until(lambda: bool(deaths))
    with pytest.raises(EngineFailed, match="restarted"):
        await chat(backend)
