"""From a request for embeddings to its vectors: tokens, windows, shared batches, means."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from localai.errors import EngineFailed, InvalidRequest, LoadFailed
from localai.protocol.embeddings import EmbeddingRequest, Input
from localai.worker.long_input import (
    Frame,
    LongInput,
    Tokens,
    mean_of_windows,
    unit_length,
    windows_of,
)
from localai.worker.results import Embeddings
from localai.worker.shared_batches import BatchLimits, SharedBatches


class EmbeddingModel(Protocol):
    """What an engine knows of its model."""

    @property
    def frame(self) -> Frame:
        """The special tokens around every text."""

    @property
    def window(self) -> int:
        """The most tokens that are read at once, special ones included."""

    @property
    def vocabulary_size(self) -> int:
        """Token ids are below this."""

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        """Return the tokens of each text, without special ones; called on any thread."""

    def compute(self, batch: list[Tokens]) -> NDArray[np.float32]:
        """Return the vectors (texts, dimensions) of framed texts; called on one thread."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One input, and the windows in which it is read."""

    windows: list[Tokens]
    tokens: int
    """Those of the whole input with its special tokens, once, however it is read."""


class Embedder:
    """Answers requests for embeddings on one model.

    Raises LoadFailed for a window that is too small for any text.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        limits: BatchLimits,
        rule: LongInput,
        *,
        normalize: bool = True,
        prefix: Sequence[int] = (),
    ) -> None:
        """Answer with `model`; `prefix` goes before token ids, as `tokenize` does before texts."""
        if model.window <= len(model.frame):
            raise LoadFailed(
                f"n_ctx: {model.window} leaves no room for text beside the model's "
                f"{len(model.frame)} special tokens."
            )
        self._model = model
        self._rule = rule
        self._normalize = normalize
        self._prefix = prefix
        self._batches = SharedBatches(model.compute, limits)

    def start(self) -> None:
        """Start to compute; vectors arrive on the event loop that runs now."""
        self._batches.start()

    def stop(self) -> None:
        """Fail what runs, and wait until the engine is at rest."""
        self._batches.stop()

    def figures(self) -> dict[str, float]:
        """Return counters and gauges."""
        return self._batches.figures()

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return the vector of each input.

        Raises InvalidRequest for token ids that the model does not have, and
        ContextLengthExceeded for texts beyond what the card admits.
        """
        readings = await asyncio.to_thread(self._read, request.inputs())
        framed = [self._model.frame.around(w) for reading in readings for w in reading.windows]
        vectors = await self._batches.vectors(framed)
        if not np.isfinite(vectors).all():
            raise EngineFailed("The engine made numbers that are not finite.")
        joined = self._join(vectors, readings)
        return Embeddings(joined, sum(reading.tokens for reading in readings), self._normalize)

    def _read(self, inputs: Sequence[Input]) -> list[_Reading]:
        texts = iter(self._model.tokenize([one for one in inputs if isinstance(one, str)]))
        tokens = [next(texts) if isinstance(one, str) else self._checked(one) for one in inputs]
        return [self._reading(one, number, len(inputs)) for number, one in enumerate(tokens)]

    def _reading(self, tokens: Tokens, number: int, count: int) -> _Reading:
        frame = self._model.frame
        if not tokens and not len(frame):
            raise InvalidRequest("Invalid 'input': there is nothing to embed.", param="input")
        what = "'input'" if count == 1 else f"'input[{number}]'"
        windows = windows_of(tokens, self._model.window - len(frame), self._rule, what=what)
        return _Reading(windows, len(tokens) + len(frame))

    def _checked(self, tokens: Tokens) -> Tokens:
        size = self._model.vocabulary_size
        wrong = next((token for token in tokens if not 0 <= token < size), None)
        if wrong is not None:
            raise InvalidRequest(
                f"Invalid 'input': {wrong} is no token id of this model, which has the ids 0 to "
                f"{size - 1}. Token ids are those of the model's own tokenizer: send the text "
                "itself.",
                param="input",
            )
        return [*self._prefix, *self._model.frame.without(tokens)]

    def _join(
        self, vectors: NDArray[np.float32], readings: Sequence[_Reading]
    ) -> NDArray[np.float32]:
        if self._normalize:
            vectors = unit_length(vectors)
        if len(vectors) == len(readings):
            return vectors
        ends = np.cumsum([len(reading.windows) for reading in readings])[:-1]
        parts = zip(np.split(vectors, ends), readings, strict=True)
        joined = np.stack([_mean(part, reading) for part, reading in parts])
        return unit_length(joined) if self._normalize else joined


def _mean(vectors: NDArray[np.float32], reading: _Reading) -> NDArray[np.float32]:
    if len(vectors) == 1:  # also of a text without any tokens of its own
        return vectors.reshape(-1)
    return mean_of_windows(vectors, [*map(len, reading.windows)])
