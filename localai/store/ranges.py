"""Which bytes of a file are there."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int]
"""From the first byte to the one after the last."""


class Ranges:
    """A set of bytes as few spans, in order."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self.spans: list[Span] = []
        for start, end in spans:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        """Count the bytes from `start` to before `end` as there."""
        if start >= end:
            return
        apart = [span for span in self.spans if span[1] < start or end < span[0]]
        touching = [span for span in self.spans if span[1] >= start and end >= span[0]]
        first = min([start, *(span[0] for span in touching)])
        last = max([end, *(span[1] for span in touching)])
        self.spans = sorted([*apart, (first, last)])

    def remove_all(self) -> None:
        """Forget everything."""
        self.spans = []

    @property
    def count(self) -> int:
        """How many bytes are there."""
        return sum(end - start for start, end in self.spans)

    @property
    def prefix(self) -> int:
        """How many bytes are there from the beginning on without a gap."""
        return self.spans[0][1] if self.spans and self.spans[0][0] == 0 else 0

    def missing(self, size: int, longest: int) -> list[Span]:
        """Return what a file of `size` bytes lacks, in pieces of at most `longest` bytes."""
        gaps, at = [], 0
        for start, end in [*self.spans, (size, size)]:
            gaps += [(one, min(one + longest, start)) for one in range(at, start, longest)]
            at = end
        return gaps
