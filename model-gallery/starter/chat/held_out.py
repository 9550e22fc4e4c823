"""Keeps the requests that are only measured out of the training."""

import yaml

from .facts import HERE, plain

COMMON = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "is",
        "are",
        "was",
        "what",
        "which",
        "who",
        "how",
        "do",
        "does",
        "did",
        "i",
        "you",
        "me",
        "my",
        "your",
        "to",
        "in",
        "on",
        "for",
        "it",
        "and",
        "tell",
        "please",
        "can",
        "could",
        "that",
        "this",
        "s",
        "be",
        "with",
        "about",
    ]
)


def load_held_out() -> list[str]:
    """Read the unknown requests that are only measured."""
    texts = yaml.safe_load((HERE / "unknown_held_out.yaml").read_text(encoding="utf-8"))
    return [str(text) for text in texts]


def rare(text: str) -> frozenset[str]:
    """Return the words of a text without the most common ones."""
    return frozenset(plain(text).split()) - COMMON


class HeldOut:
    """Finds copies of the held-out requests."""

    def __init__(self) -> None:
        texts = load_held_out()
        self._exact = {text.strip() for text in texts}
        self._words = [words for text in texts if (words := rare(text))]

    def copied(self, text: str) -> bool:
        """Say whether a text holds all rare words of a held-out request."""
        words = rare(text)
        return text.strip() in self._exact or any(other <= words for other in self._words)
