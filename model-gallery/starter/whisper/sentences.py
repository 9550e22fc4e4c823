"""Sentences of a small vocabulary, drawn from the lists and forms of grammar.yaml."""

import re
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

PLACE = re.compile(r"{(\w+)}")
MOST_WORDS = 14


@cache
def load(name: str) -> Any:
    """Return a YAML file of this folder."""
    return yaml.safe_load(Path(__file__).with_name(name).read_text())


@cache
def held_out() -> tuple[str, ...]:
    """Return the sentences that are only measured."""
    return tuple(load("held_out.yaml"))


@cache
def vocabulary() -> tuple[str, ...]:
    """Return all words that a sentence can have, sorted."""
    grammar = load("grammar.yaml")
    lines = [line for entries in grammar["lists"].values() for line in entries]
    lines += [line for kind in grammar["kinds"].values() for line in kind["lines"]]
    return tuple(sorted({word for line in lines for word in PLACE.sub("", line).split()}))


class Sentences:
    """Draws sentences, none of them held out."""

    def __init__(self, seed: int) -> None:
        grammar = load("grammar.yaml")
        self._rng = Random(seed)
        self._lists: dict[str, list[str]] = grammar["lists"]
        self._kinds: list[list[str]] = [kind["lines"] for kind in grammar["kinds"].values()]
        self._weights: list[float] = [kind["weight"] for kind in grammar["kinds"].values()]
        self._held_out = frozenset(held_out())

    def draw(self) -> str:
        """Return a sentence."""
        while True:
            lines = self._rng.choices(self._kinds, self._weights)[0]
            sentence = self._fill(self._rng.choice(lines))
            if sentence not in self._held_out and len(sentence.split()) <= MOST_WORDS:
                return sentence

    def _fill(self, line: str) -> str:
        while found := PLACE.search(line):
            entry = self._rng.choice(self._lists[found[1]])
            line = line[: found.start()] + entry + line[found.end() :]
        return line
