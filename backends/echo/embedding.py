"""A vector a text, made of the text's hash: the same text has the same one on every machine."""

from __future__ import annotations

import asyncio
import hashlib

import numpy as np
from numpy.typing import NDArray

from localai.protocol.embeddings import EmbeddingRequest, Input
from localai.worker.long_input import unit_length
from localai.worker.results import Embeddings

from .triggers import Triggers, split_triggers

DIMENSIONS = 64


async def embed(request: EmbeddingRequest, base: Triggers) -> Embeddings:
    """Return a vector of length 1 for each input; a token is a word, or a token id."""
    inputs = [_split(one, base) for one in request.inputs()]
    triggers = inputs[0][1]
    await asyncio.sleep(triggers.delay)
    triggers.strike("before")
    vectors = []
    for number, (words, _) in enumerate(inputs):
        if number:
            await asyncio.sleep(triggers.slow)
        vectors.append(_vector(" ".join(words)))
        if number == min(2, len(inputs) - 1):
            triggers.strike("mid")
    return Embeddings(unit_length(np.stack(vectors)), sum(len(words) for words, _ in inputs))


def _split(one: Input, base: Triggers) -> tuple[list[str], Triggers]:
    if not isinstance(one, str):
        return [str(token) for token in one], base
    text, triggers = split_triggers(one, base)
    return text.split(), triggers


def _vector(text: str) -> NDArray[np.float32]:
    digest = hashlib.shake_256(text.encode("utf-8", "replace")).digest(4 * DIMENSIONS)
    # Whole numbers around 0, so that no vector is zero and none is not a number.
    return (np.frombuffer(digest, "<i4") | 1).astype(np.float32)
