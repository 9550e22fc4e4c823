"""Texts longer than a model's window: refused, cut off, or read window by window.

Pure functions on token lists. Source of the windows: OpenAI's cookbook, "Embedding texts that are
longer than the model's maximum context length".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from localai.errors import ContextLengthExceeded

Tokens = list[int]
Policy = Literal["refuse", "truncate", "windows"]


@dataclass(frozen=True, slots=True)
class LongInput:
    """What a card says about texts that do not fit."""

    policy: Policy = "refuse"
    most: int = 8191
    """The most tokens of one text that `windows` reads; OpenAI's models take as many."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The special tokens that a model wants around every text, as `[CLS]` and `[SEP]`."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    @classmethod
    def found(cls, bare: Sequence[int], framed: Sequence[int]) -> Self:
        """Return what `framed` has around `bare`, both being tokens of the same text."""
        for start in range(len(framed) - len(bare) + 1):
            end = start + len(bare)
            if list(framed[start:end]) == list(bare):
                return cls(tuple(framed[:start]), tuple(framed[end:]))
        raise ValueError(f"{list(bare)} is not part of {list(framed)}")

    def __len__(self) -> int:
        return len(self.before) + len(self.after)

    def around(self, tokens: Tokens) -> Tokens:
        """Return `tokens` as the model reads them."""
        return [*self.before, *tokens, *self.after]

    def without(self, tokens: Tokens) -> Tokens:
        """Return `tokens` bare; those that have no frame stay as they are."""
        start, end = len(self.before), len(tokens) - len(self.after)
        is_framed = (
            len(self) > 0
            and start <= end
            and tokens[:start] == list(self.before)
            and tokens[end:] == list(self.after)
        )
        return tokens[start:end] if is_framed else tokens


def windows_of(
    tokens: Tokens, room: int, rule: LongInput, *, what: str = "'input'"
) -> list[Tokens]:
    """Return the pieces of a text that are read one by one, each of `room` tokens at most.

    Special tokens count neither in `tokens` nor in `room`. Raises ContextLengthExceeded with both
    numbers for a text that `rule` does not admit; `what` is what the message calls it.
    """
    if len(tokens) <= room:
        return [tokens]
    if rule.policy == "truncate":
        return [tokens[:room]]
    if rule.policy == "refuse":
        advice = "set `options.long_input` to truncate or windows in the card"
        raise ContextLengthExceeded(len(tokens), room, param="input", what=what, advice=advice)
    if len(tokens) > rule.most:
        advice = "raise `options.max_input` in the card"
        raise ContextLengthExceeded(len(tokens), rule.most, param="input", what=what, advice=advice)
    return [tokens[start : start + room] for start in range(0, len(tokens), room)]


def mean_of_windows(vectors: NDArray[np.float32], counts: Sequence[int]) -> NDArray[np.float32]:
    """Return the mean of `vectors` (windows, dimensions), each weighted by its count of tokens."""
    return np.average(vectors, axis=0, weights=counts).astype(np.float32, copy=False)


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `vectors` (inputs, dimensions) scaled to length 1; zero vectors stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
