"""A model's vocabulary: text to tokens, tokens to bytes."""

from __future__ import annotations

import ctypes

import llama_cpp
import numpy as np
from numpy.typing import NDArray

_PIECE_BYTES = 256


class Vocabulary:
    """The vocabulary of a loaded model; it may be used from several threads."""

    def __init__(self, handle: llama_cpp.llama_vocab_p) -> None:
        self._handle = handle
        self.size: int = llama_cpp.llama_vocab_n_tokens(handle)
        self.bos: int = llama_cpp.llama_vocab_bos(handle)
        self.eos: int = llama_cpp.llama_vocab_eos(handle)
        self.adds_bos: bool = llama_cpp.llama_vocab_get_add_bos(handle) and self.bos >= 0
        self._pieces: dict[int, bytes] = {}

    def tokenize(self, text: str, *, special: bool, framed: bool = False) -> NDArray[np.int32]:
        """Return the tokens of `text`; control tokens are recognised only when `special`.

        With `framed` they have around them what the model wants around a whole text.
        """
        # Lone surrogates come through JSON but have no UTF-8 form.
        data = text.encode("utf-8", "replace")
        capacity = len(data) + 8
        while True:
            tokens = np.empty(capacity, np.int32)
            pointer = tokens.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token))
            count = llama_cpp.llama_tokenize(
                self._handle, data, len(data), pointer, capacity, framed, special
            )
            if count >= 0:
                return tokens[:count].copy()
            capacity = -count

    def with_bos(self, tokens: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return `tokens` with the token of the beginning before, once, if the model wants it."""
        if not self.adds_bos or (len(tokens) and tokens[0] == self.bos):
            return tokens
        return np.concatenate((np.array([self.bos], np.int32), tokens))

    def piece(self, token: int) -> bytes:
        """Return the bytes that `token` adds to the text; control tokens add none."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._render(token, special=False)
        return piece

    def text(self, token: int) -> str:
        """Return the text of `token` by itself, also of a control token."""
        return self._render(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    def ends(self, token: int) -> bool:
        """Tell whether `token` ends an answer."""
        return bool(llama_cpp.llama_vocab_is_eog(self._handle, token))

    def control_texts(self) -> list[str]:
        """Return the texts of all control tokens, longest first."""
        is_control, handle = llama_cpp.llama_vocab_is_control, self._handle
        texts = {self.text(token) for token in range(self.size) if is_control(handle, token)}
        return sorted(texts - {""}, key=len, reverse=True)

    def _render(self, token: int, *, special: bool) -> bytes:
        size = _PIECE_BYTES
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = llama_cpp.llama_token_to_piece(self._handle, token, buffer, size, 0, special)
            if count >= 0:
                return buffer.raw[:count]
            size = -count
