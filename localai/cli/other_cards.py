"""Other cards: those that have a name already, and those of other folders that need the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localai.cli.stored_models import FoundModel
    from localai.gallery.taken_names import CardPlace
    from localai.store.records import StoredModel
    from localai.store.store import Store


def refuse_other_cards(place: CardPlace, name: str, reference: str, *, force: bool = False) -> None:
    """Refuse the name of a card that does not run `reference`, before that is fetched.

    Raises AnotherCard, and NameTaken for a card that even `force` would not replace.
    """
    from localai.cards.writing import AnotherCard, card_file
    from localai.gallery.taken_names import NameTaken, refuse_taken

    try:
        refuse_taken(name, reference, place, force=force)
    except NameTaken as error:
        target = card_file(place.models, name)
        if target.exists() and not force:
            raise AnotherCard(target) from error
        raise


def parts_to_remove(found: FoundModel, store: Store) -> list[StoredModel]:
    """Return the parts that go with the card: no card needs them besides, of any models folder."""
    from localai.files import place_of
    from localai.gallery.noted_cards import noted_cards

    known = set() if found.card is None else {place_of(found.card.path)}
    return [one for one in found.own_parts if known.issuperset(noted_cards(one, store))]


def cards_elsewhere(found: FoundModel, store: Store) -> list[Path]:
    """Return the cards of other models folders that need the files, as the store has noted them."""
    from localai.files import place_of
    from localai.gallery.noted_cards import noted_cards

    models = [] if found.model is None else [found.model, *found.same]
    cards = [*found.cards, *([] if found.card is None else [found.card])]
    known = {place_of(card.path) for card in cards}
    noted = dict.fromkeys(path for model in models for path in noted_cards(model, store))
    return [path for path in noted if path not in known]
