"""Which sequence of the context answers a prompt: the one that still holds most of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]

WORTH_KEEPING = 3
"""A sequence is taken over for its prefix only if that is at least 1/3 of what it holds.

Below, the prompt is another conversation that merely starts alike (say, by the same system
message), and the rest is worth more to the caller who comes back for it.
"""


class Slot:
    """One sequence of the context and the tokens that its cache holds, by position."""

    def __init__(self, number: int, capacity: int) -> None:
        self.number = number
        self.length = 0
        self.last_used = 0
        self.busy = False
        self._tokens = np.zeros(capacity, np.int32)

    @property
    def tokens(self) -> Tokens:
        """The tokens that the cache holds."""
        return self._tokens[: self.length]

    def append(self, tokens: Tokens | int, count: int = 1) -> None:
        """Note that `count` tokens were decoded behind the others."""
        self._tokens[self.length : self.length + count] = tokens
        self.length += count

    def truncate(self, length: int) -> None:
        """Note that the tokens from `length` on were removed."""
        self.length = length


class Slots:
    """All sequences of one context."""

    def __init__(self, count: int, capacity: int) -> None:
        self._slots = [Slot(number, capacity) for number in range(count)]
        self._clock = 0

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def take(self, prompt: Tokens) -> tuple[Slot, int] | None:
        """Take the best free slot; also return how many of its tokens `prompt` begins with.

        At least the prompt's last token is left to be decoded, since only decoding gives logits.
        Returns None when every slot is busy.
        """
        free = [slot for slot in self._slots if not slot.busy]
        if not free:
            return None
        shared = {slot.number: common_prefix(slot.tokens, prompt) for slot in free}
        best = max(free, key=lambda slot: shared[slot.number])
        if shared[best.number] * WORTH_KEEPING < best.length or not shared[best.number]:
            best = min(free, key=lambda slot: slot.last_used)
        best.busy = True
        return best, max(0, min(shared[best.number], len(prompt) - 1))

    def give_back(self, slot: Slot) -> None:
        """Free `slot`; what it holds stays for a prompt that begins alike."""
        self._clock += 1
        slot.busy = False
        slot.last_used = self._clock

    def held_tokens(self) -> int:
        """Return how many tokens all slots hold."""
        return sum(slot.length for slot in self._slots)


def common_prefix(left: Tokens, right: Tokens) -> int:
    """Return how many tokens `left` and `right` begin with in common."""
    length = min(len(left), len(right))
    different = left[:length] != right[:length]
    first = int(different.argmax()) if length else 0
    return first if length and different[first] else length
