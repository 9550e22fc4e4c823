"""Removes of the store what a card needed, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from localai.cards.resolved import ResolvedCard
from localai.files import place_of
from localai.gallery.needed_files import Needs
from localai.gallery.noted_cards import noted_cards
from localai.gallery.unfinished_files import remove_unfinished

if TYPE_CHECKING:
    from localai.store.store import Store


def free(card: ResolvedCard, others: Iterable[ResolvedCard], store: Store) -> int:
    """Remove of the store what `card` needs and none of `others`; returns freed bytes.

    What the cards of other folders need stays too, as far as the store has noted them.

    Raises InUse when a process has a file of it open.
    """
    kept_cards = list(others)
    own, kept = Needs([card], store), Needs(kept_cards, store)
    gone = [model for model in store.list() if own.include(model) and not kept.touch(model)]
    own_place = {place_of(card.path)}
    gone = [model for model in gone if own_place.issuperset(noted_cards(model, store))]
    freed = store.remove_all(model.reference for model in gone).freed
    return freed + remove_unfinished(card, kept_cards, store)
