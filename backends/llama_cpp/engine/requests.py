"""What the engine is asked for, and the stream on which it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backends.llama_cpp.engine.media import Span
from backends.llama_cpp.sampling import SamplingParameters
from localai.errors import LocalAIError
from localai.protocol.events import Event, Usage


@dataclass(frozen=True, slots=True)
class Generation:
    """One text to write: one choice of an answer."""

    prompt: NDArray[np.int32]
    """Token ids; numbers below 0 stand for the places of pictures and recordings."""
    sampling: SamplingParameters
    stops: Sequence[str] = ()
    limit: int | None = None
    """The most tokens to write; None = until the context is full."""
    top_logprobs: int | None = None
    """How many alternatives to list for each token; None = no log probabilities."""
    index: int = 0
    """The number of the choice in the answer."""
    spans: Mapping[int, Span] = field(default_factory=dict)
    """What fills the places below 0, by where it begins."""


Item = Event | LocalAIError


class AnswerStream:
    """The events of one request, for the one task that reads them.

    It ends after `Usage`; an error that the engine puts in is raised.
    """

    def __init__(self, generations: Sequence[Generation]) -> None:
        self.generations = generations
        self._items: asyncio.Queue[Item] = asyncio.Queue()
        self.ended = False
        """Whether the last event or an error has been read."""

    def put(self, item: Item) -> None:
        """Add `item`; to be called on the event loop's thread."""
        self._items.put_nowait(item)

    def __aiter__(self) -> AnswerStream:
        return self

    async def __anext__(self) -> Event:
        if self.ended:
            raise StopAsyncIteration
        item = await self._items.get()
        self.ended = isinstance(item, Usage | LocalAIError)
        if isinstance(item, LocalAIError):
            raise item
        return item


@dataclass(slots=True)
class Tally:
    """Counts one request's tokens until its last choice is complete."""

    open_choices: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    prompts_seen: set[int] = field(default_factory=set)

    def usage(self) -> Usage:
        """Return the counts as the event that ends the answer."""
        return Usage(self.prompt_tokens, self.completion_tokens, self.cached_tokens)
