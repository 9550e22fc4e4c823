"""Keeps control tokens that a caller wrote into a message from acting as such.

A message that contains `<|im_end|>` must not end its turn. The texts of control tokens are taken
out of the messages before the template sees them; a mark of private-use characters stands in their
place, which trimming and splitting leave alone. In the prompt, the marks tell which pieces are to
be tokenised as plain text.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

Piece = tuple[str, bool]
"""A piece of a prompt, and whether the control tokens in it are meant as such."""


class ControlTokens:
    """The control tokens of a vocabulary."""

    def __init__(self, texts: Sequence[str]) -> None:
        # Longest first, so that no token hides behind one that it starts with.
        self._texts = sorted(texts, key=len, reverse=True)
        self._numbers = {text: number for number, text in enumerate(self._texts)}
        self._pattern = re.compile("|".join(map(re.escape, self._texts)) or "(?!)")
        # Nobody can write a mark that he cannot guess.
        nonce = secrets.token_hex(4)
        self._mark = f"\ue000{nonce}-%d\ue001"
        self._marks = re.compile(f"\ue000{nonce}-(\\d+)\ue001")

    def take_out(self, value: Any) -> Any:
        """Return `value`, a tree of JSON, with marks in place of the control tokens' texts."""
        if isinstance(value, str):
            return self._pattern.sub(self._mark_for, value)
        if isinstance(value, list):
            return [self.take_out(item) for item in value]
        if isinstance(value, dict):
            return {self.take_out(key): self.take_out(item) for key, item in value.items()}
        return value

    def split(self, prompt: str) -> Iterator[Piece]:
        """Cut a rendered prompt at the marks, and put the texts back in their place."""
        # re.split with a group yields text and group in turn.
        for number, piece in enumerate(self._marks.split(prompt)):
            if number % 2:
                yield self._texts[int(piece)], False
            elif piece:
                yield piece, True

    def _mark_for(self, match: re.Match[str]) -> str:
        return self._mark % self._numbers[match[0]]
