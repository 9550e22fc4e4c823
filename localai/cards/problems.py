"""What is wrong in a card, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from localai.errors import CardError

Location = tuple[str | int, ...]
_ADDRESS = re.compile(r"(https?|hf|huggingface):/(?!/)")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a card's file."""

    path: Path
    line: int | None
    message: str
    mend: str = ""
    """The command that mends it, where there is one."""

    def __str__(self) -> str:
        place = shown_place(self.path)
        where = place if self.line is None else f"{place}:{self.line}"
        return f"{where}: {self.text}"

    @property
    def text(self) -> str:
        """Return what is wrong, and what mends it."""
        return f"{self.message}. To mend it: `{self.mend}`" if self.mend else self.message

    def error(self) -> CardError:
        """Return the problem as the exception of the tree."""
        return CardError(self.text, path=shown_place(self.path), line=self.line)


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong at a place inside a card, before its line is known."""

    location: Location
    message: str


def shown_place(path: Path) -> str:
    """Return the path of a file, or the address that a path was made of, which lost a slash."""
    return _ADDRESS.sub(r"\1://", str(path))


def dotted(location: Location) -> str:
    """Return `limits.queue` or `files[0].uri` for a place inside a card."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path
