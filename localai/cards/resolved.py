"""A card together with its backend and everything that was filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from localai.cards.schema import Card
from localai.protocol.capabilities import Capability
from localai.protocol.manifest import Manifest

Source = Literal["builtin", "user"]
Backends = Mapping[str, tuple[Path, Manifest]]
"""Folder and manifest of every backend, by name."""


@dataclass(frozen=True)
class Meaning:
    """The model that a text names: a reference with a scheme, and its hash if that is known."""

    reference: str
    sha256: str | None = None


class Locate(Protocol):
    """Knows of models that are, or can be, fetched from elsewhere."""

    def __call__(self, reference: str, sha256: str | None = None, /) -> Path | None:
        """Tell where a model that was fetched lies; None if it is not here, or has another hash."""

    def meaning(self, text: str, /) -> Meaning | None:
        """Tell which model a text without a scheme names, as a short name; None for a path."""

    def damaged(self, path: Path, /) -> str | None:
        """Tell the reference that a file was fetched by which is not whole; None for all others."""


class _Nowhere:
    def __call__(self, reference: str, sha256: str | None = None, /) -> Path | None:
        return None

    def meaning(self, text: str, /) -> Meaning | None:
        return None

    def damaged(self, path: Path, /) -> str | None:
        return None


nowhere = _Nowhere()
"""Knows of no model elsewhere."""


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
