"""Models that a start of the gateway asks for: what has to be done so that each is here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from localai.cards.model_files import has_its_files, missing_references
from localai.cards.resolved import ResolvedCard
from localai.errors import ConfigError, LocalAIError
from localai.files import place_of
from localai.gallery.chosen_form import chosen_form
from localai.gallery.galleries import Galleries
from localai.gallery.order import InstallOrder, Order, PullOrder, fetch_order
from localai.references import NameReference
from localai.settings import Settings
from localai.store.naming import suggested_name

_log = logging.getLogger(__name__)


def preload_orders(
    settings: Settings, cards: Iterable[ResolvedCard], galleries: Galleries
) -> list[Order]:
    """Return an order for each model of `settings.preload` that is not here.

    Raises ConfigError for one that nobody knows, so that the start ends with it.
    """
    if not settings.preload:
        return []
    here = {name: card for card in cards for name in (card.name, *card.aliases)}
    orders = (_order(text, settings, here, galleries) for text in settings.preload)
    return [order for order in orders if order is not None]


def _order(
    text: str, settings: Settings, here: Mapping[str, ResolvedCard], galleries: Galleries
) -> Order | None:
    order: Order | None = None
    name = text
    if text not in here:
        try:
            order, name = _named(text, settings, galleries, here)
        except LocalAIError as error:
            raise ConfigError(f"preload = '{text}': {error.message}", param="preload") from error
    card = here.get(name)
    if card is None:
        return order
    if missing_references(card):
        return fetch_order(card)
    if has_its_files(card):
        # Said aloud: another model that happens to have this name would count as this one.
        _log.info("%s is here already: %s", text, card.path)
        return None
    return order


def _named(
    text: str, settings: Settings, galleries: Galleries, here: Mapping[str, ResolvedCard]
) -> tuple[Order, str]:
    """Return the order that brings what `text` names, and the name that its card will have."""
    # Its clients for hubs and registries are slow to import, and most starts need none.
    from localai.store.store import Store

    store = Store(settings.store)
    reference = store.reference(text)
    if isinstance(reference, NameReference):
        entry = galleries.find(str(reference))
        variant = chosen_form(entry, galleries)
        return InstallOrder(str(reference), entry.name, variant), entry.name
    stored = store.find(str(reference))
    noted = stored.cards if stored is not None else ()
    named = {str(place_of(card.path)): name for name, card in here.items() if name == card.name}
    suggested = suggested_name(reference)
    name = next((named.get(card, card) for card in noted if card in {*named, *here}), suggested)
    return PullOrder(text, suggested), name
