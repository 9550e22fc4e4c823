"""The batch that one step computes, in memory that is allocated once."""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray


class Batch:
    """Tokens of several sequences; `struct` is what llama.cpp takes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._tokens = np.zeros(capacity, np.int32)
        self._positions = np.zeros(capacity, np.int32)
        self._sequences = np.zeros(capacity, np.int32)
        self._wants_logits = np.zeros(capacity, np.int8)
        # llama.cpp takes a list of sequences for each token; ours have one entry each.
        self._counts = np.ones(capacity, np.int32)
        self._lists = self._sequences.ctypes.data + 4 * np.arange(capacity, dtype=np.uintp)
        self._offsets = np.arange(capacity, dtype=np.int32)
        self.struct = llama_cpp.llama_batch(
            n_tokens=0,
            token=_pointer(self._tokens, ctypes.c_int32),
            pos=_pointer(self._positions, ctypes.c_int32),
            n_seq_id=_pointer(self._counts, ctypes.c_int32),
            seq_id=_pointer(self._lists, ctypes.POINTER(ctypes.c_int32)),
            logits=_pointer(self._wants_logits, ctypes.c_int8),
        )

    def clear(self) -> None:
        """Remove all tokens."""
        self.struct.n_tokens = 0

    def add_token(self, sequence: int, position: int, token: int) -> int:
        """Add one token whose logits are wanted; returns its row."""
        row: int = self.struct.n_tokens
        self._tokens[row] = token
        self._positions[row] = position
        self._sequences[row] = sequence
        self._wants_logits[row] = 1
        self.struct.n_tokens = row + 1
        return row

    def add_tokens(
        self, sequence: int, position: int, tokens: NDArray[np.int32], *, wants_logits: bool
    ) -> int:
        """Add `tokens` from `position` on; returns the row of the last.

        `wants_logits` is about the last token alone.
        """
        start: int = self.struct.n_tokens
        end = start + len(tokens)
        self._tokens[start:end] = tokens
        self._positions[start:end] = self._offsets[: len(tokens)] + position
        self._sequences[start:end] = sequence
        self._wants_logits[start:end] = 0
        self._wants_logits[end - 1] = wants_logits
        self.struct.n_tokens = end
        return end - 1

    def want_every_row(self) -> None:
        """Have a result computed for every token, as pooling needs."""
        self._wants_logits[: self.struct.n_tokens] = 1


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))
