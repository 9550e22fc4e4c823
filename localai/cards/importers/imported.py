"""What an import gives, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.cards.importers.notes import Note
from localai.errors import CardError


@dataclass(frozen=True)
class Imported:
    """A card for a model that was described elsewhere."""

    card: dict[str, Any]
    """The content of a card's file: it passes `Card` and its backend's option schema."""
    notes: tuple[str, ...]
    """Everything that was not mapped or not translated, a sentence each."""
    backend_reason: str
    """Why this backend runs it."""
    lost: tuple[Note, ...] = ()
    """Those of the notes that tell what the source asked for and the card has not."""
    sources: tuple[Path, ...] = ()
    """The YAMLs of LocalAI's that it was made of."""


class CannotImport(CardError):
    """No card can be made of a file; the message says why and what to do instead."""
