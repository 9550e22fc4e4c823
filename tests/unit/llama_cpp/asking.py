"""Loads the backend and asks it, without a host."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backends.llama_cpp.engine.batch import Batch
from backends.llama_cpp.worker import LlamaCpp
from benchmarks.random_gguf import END_OF_TEXT, MESSAGE_END
from localai.protocol.events import Event, Finished, TextDelta, Usage
from localai.protocol.launch import LaunchSpec
from localai.protocol.requests import ChatRequest, CompletionRequest

ENDLESS = {str(END_OF_TEXT): -100, str(MESSAGE_END): -100}
"""A bias under which answers have the length that was asked for."""
DEADLINE = 10.0


@dataclass
class Answer:
    events: list[Event]

    def text(self, index: int = 0) -> str:
        deltas = [event for event in self.events if isinstance(event, TextDelta)]
        return "".join(delta.text for delta in deltas if delta.index == index)

    def reasons(self) -> dict[int, str]:
        return {event.index: event.reason for event in self.events if isinstance(event, Finished)}

    @property
    def usage(self) -> Usage:
        assert isinstance(self.events[-1], Usage)
        return self.events[-1]


def backend_for(path: Path, *, max_concurrent: int = 8, **options: Any) -> LlamaCpp:
    spec = LaunchSpec(
        name="tiny",
        backend=Path("backends/llama_cpp"),
        socket=Path("unused"),
        model=path,
        max_concurrent=max_concurrent,
        options={"n_threads": 1, **options},
    )
    return LlamaCpp(spec)


@asynccontextmanager
async def loaded(path: Path, **settings: Any) -> AsyncIterator[LlamaCpp]:
    backend = backend_for(path, **settings)
    await backend.load()
    try:
        yield backend
    finally:
        await backend.unload()


def chat_request(content: str = "hello", **fields: Any) -> ChatRequest:
    plain = {"temperature": 0.0, "max_tokens": 16, "logit_bias": ENDLESS}
    messages = [{"role": "user", "content": content}]
    return ChatRequest.model_validate({"messages": messages, **plain, **fields})


def completion_request(prompt: Any, **fields: Any) -> CompletionRequest:
    plain = {"temperature": 0.0, "max_tokens": 16, "logit_bias": ENDLESS}
    return CompletionRequest.model_validate({"prompt": prompt, **plain, **fields})


async def collect(events: AsyncGenerator[Event, None]) -> Answer:
    async with asyncio.timeout(DEADLINE):
        return Answer([event async for event in events])


async def chat(backend: LlamaCpp, content: str = "hello", **fields: Any) -> Answer:
    return await collect(backend.chat(chat_request(content, **fields)))


async def complete(backend: LlamaCpp, prompt: Any, **fields: Any) -> Answer:
    return await collect(backend.complete(completion_request(prompt, **fields)))


class Gate:
    """Holds every step back while it is closed."""

    def __init__(self, backend: LlamaCpp, patch: pytest.MonkeyPatch) -> None:
        self.holds = False
        self._is_open = True
        self._moved = threading.Condition()
        decode: Callable[[Batch], int] = backend._context.decode

        def decode_when_open(batch: Batch) -> int:
            # Looking and waiting are one: a step that is let through began before the gate closed.
            with self._moved:
                self.holds = not self._is_open
                self._moved.wait_for(lambda: self._is_open, DEADLINE)
                self.holds = False
            return decode(batch)

        patch.setattr(backend._context, "decode", decode_when_open)

    def close(self) -> None:
        with self._moved:
            self._is_open = False

    def open(self) -> None:
        with self._moved:
            self._is_open = True
            self._moved.notify_all()
