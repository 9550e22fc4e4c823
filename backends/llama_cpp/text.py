"""From the bytes of tokens to text that may be sent: whole characters, no part of a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Turns token bytes into text as they come, and ends at the first stop string.

    Held back are the first bytes of a character that is not yet complete, and text that may turn
    out to be the start of a stop string. Bytes that can never be UTF-8 become U+FFFD at once.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = stops
        self._held = ""
        self.stopped = False
        """Whether a stop string has come; nothing is to be fed any more."""

    def feed(self, piece: bytes) -> str:
        """Return the text that may be sent now, often that of `piece`."""
        text = self._decoder.decode(piece)
        if not self._stops:
            return text
        text = self._held + text
        end = first_stop(text, self._stops)
        if end is not None:
            self.stopped = True
            self._held = ""
            return text[:end]
        safe = len(text) - unsafe_tail(text, self._stops)
        self._held = text[safe:]
        return text[:safe]

    def flush(self) -> str:
        """Return what was held back; a character cut off in the middle is dropped."""
        held, self._held = self._held, ""
        return held


def first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Return where the earliest stop string in `text` begins."""
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    return min(found, default=None)


def unsafe_tail(text: str, stops: Sequence[str]) -> int:
    """Return the length of the longest end of `text` that a stop string may begin with."""
    longest = min(len(text), max(map(len, stops)) - 1)
    for length in range(longest, 0, -1):
        tail = text[-length:]
        if any(stop.startswith(tail) for stop in stops):
            return length
    return 0
