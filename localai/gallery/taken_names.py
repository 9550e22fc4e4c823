"""Names that other cards have: told before anything is fetched, not after gigabytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from localai.cards.writing import card_file, check_can_be_written, read_content
from localai.errors import RequestError
from localai.files import place_of
from localai.gallery.card_files import stored_files, texts_of
from localai.gallery.entry import Entry
from localai.gallery.named import meaning_of
from localai.references import HubReference, Reference, reference_or_none
from localai.store.model_folders import may_lead_to

if TYPE_CHECKING:
    from localai.store.store import Store


class NameTaken(RequestError):
    """There is a card of this name, and of another model."""

    status = 409
    default_code = "model_exists"


class Named(Protocol):
    """A card as far as its name and its place go."""

    @property
    def name(self) -> str:
        """What its model is called."""

    @property
    def path(self) -> Path:
        """Its file."""


@dataclass(frozen=True)
class CardPlace:
    """Where a card is to be written: the folder, the cards that there are, and the store."""

    models: Path
    cards: Sequence[Named]
    store: Store

    def check_can_be_written(self, name: str, *, force: bool = False) -> None:
        """Raise OSError where the card `name` is not there, or is replaced, and cannot be."""
        target = card_file(self.models, name)
        if force or not target.exists():
            check_can_be_written(target)


def main_reference(entry: Entry) -> str:
    """Return where the model of an entry comes from."""
    meaning = meaning_of(entry)
    return entry.files[0].uri if meaning is None else meaning.reference


def refuse_taken(
    name: str, reference: str | None, place: CardPlace, *, force: bool = False
) -> None:
    """Raise NameTaken where a card of this name is there that does not run `reference`.

    `force` lets it make way, if it lies where the new one will. Without a reference only the place
    is looked at.
    """
    target = card_file(place.models, name)
    for card in place.cards:
        if card.name == name and place.models in card.path.parents and card.path != target:
            raise NameTaken(
                f"There is a model '{name}' already, with the card {card.path}: choose another "
                "name, or delete that one.",
                param="name",
            )
    if force or reference is None or not target.exists():
        return
    if not _may_run(read_content(target) or {}, reference, target.parent, place.store):
        raise NameTaken(
            f"There is another model '{name}' already, with the card {target}: choose another "
            "name, delete that one, or replace its card with `force`.",
            param="name",
        )


def runs_exactly(card: Path, references: Iterable[str], store: Store) -> str | None:
    """Return that of `references` which a card is known to run, None where it runs none of them."""
    there = {
        str(parsed)
        for text in _sources(read_content(card) or {}, card.parent, store)
        if (parsed := reference_or_none(text)) is not None
    }
    return next((text for text in references if str(reference_or_none(text)) in there), None)


def _may_run(card: Mapping[str, Any], reference: str, folder: Path, store: Store) -> bool:
    wanted = reference_or_none(reference)
    model = card.get("model")
    # What the store knows of a file may be lost: then its place tells.
    if isinstance(model, str) and may_lead_to(wanted, place_of(folder / model), store.folder):
        return True
    return any(
        _may_be_the_same(reference_or_none(text), wanted) for text in _sources(card, folder, store)
    )


def _sources(card: Mapping[str, Any], folder: Path, store: Store) -> Iterator[str]:
    """Yield where what a card runs comes from: as it says itself, and as the store knows."""
    model = card.get("model")
    yield from texts_of([model, card.get("files")])
    if isinstance(model, str):
        path = place_of(folder / model)
        having = (one for one in store.list() if path in stored_files(one, store.folder))
        yield from (one.reference for one in having)


def _may_be_the_same(there: Reference | None, wanted: Reference | None) -> bool:
    if there is None or wanted is None:
        return False
    if isinstance(there, HubReference) and isinstance(wanted, HubReference):
        # Which file of a repository is meant shows when it is asked.
        is_open = None in {there.file, wanted.file}
        return there.repo == wanted.repo and (is_open or there.file == wanted.file)
    return str(there) == str(wanted)
