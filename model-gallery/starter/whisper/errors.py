"""Word error rate, after lower-casing and without punctuation."""

import re
from dataclasses import dataclass


def words_of(text: str) -> list[str]:
    """Return the words that count."""
    return re.findall(r"[a-z0-9']+", text.lower())


def distance(said: list[str], written: list[str]) -> int:
    """Return how many words must be put in, left out or changed."""
    row = list(range(len(written) + 1))
    for number, word in enumerate(said, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(written, 1):
            changed = before + (word != other)
            before = row[place]
            row[place] = min(changed, row[place] + 1, row[place - 1] + 1)
    return row[-1]


@dataclass
class Tally:
    """Counts over many texts."""

    texts: int = 0
    exact: int = 0
    words: int = 0
    wrong: int = 0

    def add(self, said: str, written: str) -> bool:
        """Count one text; tell whether it is exact."""
        expected, found = words_of(said), words_of(written)
        wrong = distance(expected, found)
        self.texts += 1
        self.exact += wrong == 0
        self.words += len(expected)
        self.wrong += wrong
        return wrong == 0

    def __str__(self) -> str:
        share = 100 * self.wrong / max(1, self.words)
        return f"{share:.1f} % of {self.words} words wrong, {self.exact} of {self.texts} exact"
