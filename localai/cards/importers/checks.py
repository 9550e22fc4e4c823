"""What every imported card must be: one that `card check` finds no mistake in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from localai.cards.checking import complaints_of
from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.resolved import Backends
from localai.cards.writing import card_file


def check_card_of(imported: Imported, backends: Backends, path: Path) -> None:
    """Raise CannotImport for a card, made of `path`, that would be refused when it is read."""
    for found in complaints_of(imported.card, backends)[:1]:
        raise CannotImport(f"gives a card that is refused: {found.message}.", path=str(path))


def check_names(cards: Sequence[Imported], path: Path) -> None:
    """Raise CannotImport for two models that would be written to the same file."""
    taken: dict[str, str] = {}
    for card in cards:
        name = str(card.card["name"])
        # Some disks take A.yaml and a.yaml for one file.
        file = card_file(Path(), name).name.lower()
        if file in taken:
            raise CannotImport(
                f"holds two models, '{taken[file]}' and '{name}', whose cards would be one file, "
                f"{file}: rename one of them.",
                path=str(path),
            )
        taken[file] = name
