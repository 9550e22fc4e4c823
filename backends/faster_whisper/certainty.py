"""How likely each token of a text was, as OpenAI's `logprobs`."""

from __future__ import annotations

import math
from typing import Any

_LEAST = 1e-30
"""Probability below which a logarithm says nothing more."""


class Certainty:
    """Finds the tokens of each segment among those that the engine noted, which come in order."""

    def __init__(self, tokenizer: Any) -> None:
        self.noted: list[tuple[int, float]] = []
        self._tokenizer = tokenizer
        self._end_of_text: int = tokenizer.token_to_id("<|endoftext|>")

    def logprobs(self, tokens: list[int]) -> list[dict[str, Any]]:
        """Return an entry a text token; those of segments that were dropped are passed over."""
        wanted = [token for token in tokens if token < self._end_of_text]
        for start in range(len(self.noted) - len(wanted) + 1):
            noted = self.noted[start : start + len(wanted)]
            if [token for token, _ in noted] == wanted:
                del self.noted[: start + len(wanted)]
                return [self._entry(token, probability) for token, probability in noted]
        return []

    def _entry(self, token: int, probability: float) -> dict[str, Any]:
        content = _bytes_of(self._tokenizer.id_to_token(token))
        return {
            "token": content.decode("utf-8", "replace"),
            "logprob": math.log(max(probability, _LEAST)),
            "bytes": list(content),
        }


def _bytes_of(token: str) -> bytes:
    return b"".join(
        bytes([_BYTES[letter]]) if letter in _BYTES else letter.encode() for letter in token
    )


def _spelled_bytes() -> dict[str, int]:
    """Return the byte for each letter of a byte-level vocabulary, where `Ġ` is a blank.

    Source: GPT-2's `bytes_to_unicode`: printable bytes stand for themselves, others follow from
    U+0100 in order.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + number): byte for number, byte in enumerate(others)
    }


_BYTES = _spelled_bytes()
