"""The questions that the model answers, read from facts.yaml."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Fact:
    """One answer with its questions."""

    group: str
    answer: str
    expect: tuple[str, ...]
    phrasings: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    subject: str = ""

    def right(self, reply: str) -> bool:
        """Say whether a reply holds everything that is expected."""
        return all(part.lower() in reply.lower() for part in self.expect)


def load_facts() -> list[Fact]:
    """Read all facts."""
    entries = yaml.safe_load((HERE / "facts.yaml").read_text(encoding="utf-8"))
    return [_fact(entry) for entry in entries]


def load_lists(name: str) -> dict[str, list[str]]:
    """Read a file of named lists."""
    lists: dict[str, list[str]] = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    return lists


def plain(text: str) -> str:
    """Return a text without case and punctuation, to compare questions."""
    return re.sub(r"[^\w+*/\-=@]+", " ", text.lower()).strip()


def _fact(entry: dict[str, Any]) -> Fact:
    return Fact(
        group=entry["group"],
        answer=entry["answer"],
        expect=tuple(entry["expect"]),
        phrasings=tuple(entry["phrasings"]),
        held_out=tuple(entry.get("held_out", ())),
        subject=entry.get("subject", ""),
    )
