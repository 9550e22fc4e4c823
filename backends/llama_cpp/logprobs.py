"""OpenAI's log probability entries, from raw logits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Piece = Callable[[int], bytes]


def logprob_entry(
    logits: NDArray[np.float32], token: int, top: int, piece: Piece
) -> dict[str, Any]:
    """Return the entry of `token` with the `top` likeliest alternatives.

    Source: OpenAI's specification, `ChatCompletionTokenLogprob`. The probabilities are the model's
    own, before temperature, penalties and biases.
    """
    logprobs = log_softmax(logits)
    likeliest = largest(logprobs, top)
    return _entry(logprobs, token, piece) | {
        "top_logprobs": [_entry(logprobs, other, piece) for other in likeliest]
    }


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logarithms of the probabilities."""
    shifted = logits.astype(np.float64) - float(logits.max())
    total = float(np.exp(shifted).sum())
    return shifted - math.log(total)


def largest(values: NDArray[np.float64], count: int) -> list[int]:
    """Return the indices of the `count` largest values, the largest first."""
    if not count:
        return []
    count = min(count, len(values))
    indices = np.argpartition(values, -count)[-count:]
    return [int(index) for index in indices[np.argsort(-values[indices], kind="stable")]]


def _entry(logprobs: NDArray[np.float64], token: int, piece: Piece) -> dict[str, Any]:
    data = piece(token)
    # OpenAI sends -9999 for what is impossible; JSON has no infinity.
    logprob = max(float(logprobs[token]), -9999.0)
    return {"token": data.decode("utf-8", "replace"), "logprob": logprob, "bytes": list(data)}


class HeldEntries:
    """Entries that wait until the text of their token is sent."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, dict[str, Any]]] = []
        self._made = 0
        self._sent = 0

    def add(self, entry: dict[str, Any]) -> None:
        """Add the entry of the next token."""
        self._entries.append((self._made, entry))
        self._made += len(entry["bytes"])

    def release(self, text: str) -> list[dict[str, Any]]:
        """Return the entries of the tokens of which `text`, sent now, has at least the start."""
        self._sent += len(text.encode("utf-8", "surrogatepass"))
        ready = [entry for start, entry in self._entries if start < self._sent]
        self._entries = self._entries[len(ready) :]
        return ready
