"""Models in several files, whose names count them: `name-00001-of-00003.gguf`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})((?:\.\w+)+)")
_MOST = 1000
"""Large models have some dozens; a name that counts more means something else."""


@dataclass(frozen=True)
class Shard:
    """One of a model's files."""

    stem: str
    """The name, with its folders, before the number."""
    number: int
    """From 1."""
    count: int
    suffix: str

    @property
    def whole(self) -> str:
        """Return the name that the model has in one file."""
        return f"{self.stem}{self.suffix}"

    @property
    def all(self) -> list[str]:
        """Return the names of all the model's files, in order."""
        numbers = range(1, self.count + 1)
        return [f"{self.stem}-{one:05}-of-{self.count:05}{self.suffix}" for one in numbers]


def shard_of(name: str) -> Shard | None:
    """Return which part of a model the file of that name is, None for a whole one."""
    found = _SHARD.fullmatch(name)
    if found is None or not 1 <= int(found[2]) <= int(found[3]) <= _MOST:
        return None
    return Shard(found[1], int(found[2]), int(found[3]), found[4])


def shards_of(name: str) -> list[str]:
    """Return the names of all files of the model that `name` is one of, itself for a whole one."""
    shard = shard_of(name)
    return [name] if shard is None else shard.all


def without_number(name: str) -> str:
    """Return the name that the model of a file has when it is in one."""
    shard = shard_of(name)
    return name if shard is None else shard.whole
