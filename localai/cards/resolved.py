"""A card together with its backend and everything that was filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from localai.cards.schema import Card
from localai.protocol.capabilities import Capability
from localai.protocol.manifest import Manifest

Source = Literal["builtin", "user"]
Backends = Mapping[str, tuple[Path, Manifest]]
"""Folder and manifest of every backend, by name."""
Locate = Callable[[str], Path | None]
"""Tells where a model that was fetched from a reference, as `hf://org/repo`, lies; None if it is
not here."""


def nowhere(_: str) -> Path | None:
    """Tell of every reference that it is not here."""
    return None


@dataclass(frozen=True)
class ResolvedCard:
    """A card that can be run."""

    card: Card
    path: Path
    """The card's file."""
    manifest: Manifest
    backend_folder: Path
    capabilities: tuple[Capability, ...]
    options: dict[str, Any]
    """The card's options, with the backend's defaults filled in."""
    digest: str
    """Changes when the card changes, also when only a default of its backend does."""
    created: int
    """When the file was last written, in Unix seconds."""
    source: Source
    aliases: tuple[str, ...] = ()
    """The names that lead here, including default ones such as `gpt-4`."""
    locate: Locate = field(default=nowhere, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.card.name
