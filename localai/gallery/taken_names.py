"""Names that other cards have: told before anything is fetched, not after gigabytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from localai.cards.writing import card_file, read_content
from localai.errors import InvalidReference, RequestError
from localai.gallery.entry import Entry
from localai.gallery.named import meaning_of
from localai.references import HubReference, Reference, parse_reference
from localai.store.places import place_of

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
class Place:
    """Where a card is to be written: the folder, the cards that there are, and the store."""

    models: Path
    cards: Sequence[Named]
    store: Store


def main_reference(entry: Entry) -> str:
    """Return where the model of an entry comes from."""
    meaning = meaning_of(entry)
    return entry.files[0].uri if meaning is None else meaning.reference


def refuse_taken(name: str, reference: str | None, place: Place, *, force: bool = False) -> None:
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
        if (parsed := _parsed(text)) is not None
    }
    return next((text for text in references if str(_parsed(text)) in there), None)


def _may_run(card: Mapping[str, Any], reference: str, folder: Path, store: Store) -> bool:
    wanted = _parsed(reference)
    return any(_may_be_the_same(_parsed(text), wanted) for text in _sources(card, folder, store))


def _sources(card: Mapping[str, Any], folder: Path, store: Store) -> Iterator[str]:
    """Yield where what a card runs comes from: as it says itself, and as the store knows."""
    listed = card.get("files")
    for file in listed if isinstance(listed, list) else ():
        if isinstance(file, dict) and isinstance(uri := file.get("uri"), str):
            yield uri
    model = card.get("model")
    if not isinstance(model, str):
        return
    yield model
    path = place_of(folder / model)
    for stored in store.list():
        if path == stored.model or path in {store.folder / file.path for file in stored.files}:
            yield stored.reference


def _may_be_the_same(there: Reference | None, wanted: Reference | None) -> bool:
    if there is None or wanted is None:
        return False
    if isinstance(there, HubReference) and isinstance(wanted, HubReference):
        # Which file of a repository is meant shows when it is asked.
        is_open = None in {there.file, wanted.file}
        return there.repo == wanted.repo and (is_open or there.file == wanted.file)
    return str(there) == str(wanted)


def _parsed(text: str) -> Reference | None:
    try:
        return parse_reference(text)
    except InvalidReference:
        return None
