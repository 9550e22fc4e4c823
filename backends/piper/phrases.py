"""What is spoken in one go: sentences, and parts of very long ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST = 400
"""Phonemes that are spoken in one go, about half a minute: memory grows with their square, and
nothing can be heard or stopped before the last."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Some phonemes, and whether they begin a sentence."""

    phonemes: list[str]
    begins: bool = True


def plain_text(text: str) -> str:
    """Return `text` without what Piper would not take as text: phoneme notation and NUL."""
    return re.sub(r"\[(?=\[)", "[ ", text.replace("\0", " "))


def phrases_of(sentences: Sequence[list[str]]) -> list[Phrase]:
    """Return what to say for the phonemes of each sentence."""
    return [
        Phrase(part, begins=number == 0)
        for sentence in sentences
        for number, part in enumerate(_parts(sentence))
    ]


def _parts(sentence: list[str]) -> Iterator[list[str]]:
    while len(sentence) > LONGEST:
        end = _cut(sentence)
        yield sentence[:end]
        sentence = sentence[end:]
    if any(not phoneme.isspace() for phoneme in sentence):
        yield sentence


def _cut(sentence: list[str]) -> int:
    """Return where to cut: behind the last comma of the second half, else the last space."""
    middle = LONGEST // 2
    for mark in (",", " "):
        found = [i for i in range(middle, LONGEST) if sentence[i] == mark]
        if found:
            return found[-1] + 1
    return LONGEST
