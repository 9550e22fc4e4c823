"""Cards that the store has noted with a model, of whatever models folder: who else needs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from localai.cards.resolved import nowhere
from localai.cards.writing import read_content
from localai.errors import InvalidReference
from localai.gallery.card_files import places_of, stored_places, texts_of
from localai.references import NameReference, Reference

if TYPE_CHECKING:
    from localai.store.records import StoredModel
    from localai.store.store import Store


def noted_cards(model: StoredModel, store: Store) -> list[Path]:
    """Return the noted cards that are still there and name `model`.

    One that cannot be read counts, and so does one that names its model by a gallery's name: which
    that is, only its own gateway knows.
    """
    # Older records have bare names, which do not tell where the card is.
    paths = (Path(text) for text in model.cards if Path(text).is_absolute())
    return [path for path in paths if path.exists() and _names(path, model, store)]


def _names(card: Path, model: StoredModel, store: Store) -> bool:
    content = read_content(card)
    if content is None:
        return True
    places = places_of(content, card.parent, nowhere)
    if not places.isdisjoint(stored_places(model, store.folder)):
        return True
    main = content.get("model")
    if isinstance(main, str) and _is_a_name(main, card.parent, store):
        return True
    texts = texts_of([content.get(key) for key in ("model", "options", "files")])
    return any(_means(text, model, store) for text in texts)


def _is_a_name(text: str, folder: Path, store: Store) -> bool:
    is_name = isinstance(_reference(text, store), NameReference)
    return is_name and not (folder / text).exists()


def _means(text: str, model: StoredModel, store: Store) -> bool:
    return str(_reference(text, store)) == model.reference


def _reference(text: str, store: Store) -> Reference | None:
    try:
        return store.reference(text)
    except InvalidReference:
        return None
