"""What an import says of everything that was not taken over as it was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_LONGEST = 60


@dataclass(frozen=True)
class Note:
    """A sentence for a person, and for programs which keys of the source it speaks of."""

    text: str
    keys: tuple[str, ...] = ()
    """Dotted, as `parameters.tfz` and `download_files[0].mode`."""
    is_lost: bool = False
    """Whether something that was asked for by these keys has no place in the card."""

    def __str__(self) -> str:
        return self.text


def left_out(said: str, reason: str, value: Any = None) -> Note:
    """Return the note that nothing was made of what stands at `said`, and why."""
    return Note(f"{_named(said, value)} is left out: {reason}.", (said,), is_lost=True)


def needless(said: str, value: Any = None) -> Note:
    """Return the note that `said` was left out without a loss: the card means the same."""
    text = f"{_named(said, value)} is left out: it says the same as leaving it out."
    return Note(text, (said,))


def shown(value: Any) -> str:
    """Return a value as it can stand in a sentence."""
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _named(said: str, value: Any) -> str:
    return f"`{said}`" if value is None else f"`{said}` ({shown(value)})"
