"""What every imported card must be: one that `card check` finds no mistake in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from localai.cards.complaints import complaints_in
from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.options import resolve_options
from localai.cards.problems import dotted
from localai.cards.resolved import Backends
from localai.cards.schema import Card
from localai.cards.writing import card_file


def check_card_of(imported: Imported, backends: Backends, path: Path) -> None:
    """Raise CannotImport for a card, made of `path`, that would be refused when it is read."""
    found = next(_mistakes(imported, backends), None)
    if found is not None:
        raise CannotImport(f"gives a card that is refused: {found}.", path=str(path))


def _mistakes(imported: Imported, backends: Backends) -> Iterator[str]:
    try:
        card = Card.model_validate_json(json.dumps(imported.card), strict=True)
    except ValidationError as error:
        complaints = complaints_in(
            error, lambda one: one["loc"], lambda place: f"there is no key '{dotted(place)}'"
        )
        yield from (one.message for one in complaints)
        return
    _, found = resolve_options(card, backends[card.backend][1])
    yield from (one.message for one in found)


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
