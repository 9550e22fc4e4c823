"""Carries out what jobs are told to do, with the cards and galleries as they are now."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from localai.cards.catalog import Catalog
from localai.cards.resolved import Backends, ResolvedCard
from localai.cards.writing import card_file
from localai.gallery.chosen_form import form_of
from localai.gallery.entry import Entry
from localai.gallery.fetching import DESCRIPTION, fetch_text
from localai.gallery.freeing import free
from localai.gallery.galleries import Galleries
from localai.gallery.order import (
    CallersOrder,
    ConfigureOrder,
    FetchOrder,
    InstallOrder,
    Order,
    PullOrder,
    fetch_order,
)
from localai.gallery.ordered_entry import configured_entry, ordered_entry
from localai.gallery.ordered_fetch import fetch_card
from localai.gallery.ordered_install import install_ordered
from localai.gallery.ordered_pull import pull_ordered
from localai.gallery.taken_names import CardPlace, main_reference, refuse_taken
from localai.gallery.unusable_folders import cannot_write
from localai.network.reach import ANYWHERE, PUBLIC_MODELS
from localai.settings import Settings
from localai.store.naming import suggested_name
from localai.store.progress import Report
from localai.store.transports.hub import endpoint

if TYPE_CHECKING:
    from localai.store.store import Store


class Orders:
    """Carries out orders, with the cards of `catalog` and the models of `galleries`."""

    def __init__(
        self, settings: Settings, backends: Backends, catalog: Catalog, galleries: Galleries
    ) -> None:
        self._settings = settings
        self.backends = backends
        self._catalog = catalog
        self.galleries = galleries

    def perform(self, order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        """Do what `order` says, and return what is to be known of it, as sentences.

        Raises LocalAIError, and Cancelled when `cancel` is set.
        """
        try:
            return self._perform(order, report, cancel)
        except OSError as error:
            raise cannot_write(self._settings.store, self._settings.models, error) from error
        finally:
            # Whoever is told of the end finds the model.
            self._catalog.refresh()

    def entry_of(
        self, order: InstallOrder | ConfigureOrder, cancel: threading.Event | None = None
    ) -> Entry:
        """Return what an order to install installs; raises a LocalAIError for what cannot be."""
        if isinstance(order, InstallOrder):
            entry = form_of(self.galleries.find(order.entry), order.variant, self.galleries)
            return ordered_entry(entry, order, self.backends)
        confined = PUBLIC_MODELS.with_own(endpoint())
        reach = confined if self._is_confined(order) else ANYWHERE
        fetch = partial(fetch_text, reach=reach, expected=DESCRIPTION, cancel=cancel)
        return configured_entry(order, self.backends, fetch)

    def place(self, order: CallersOrder | None = None) -> CardPlace:
        """Return where cards are written, which there are, and the store as `order` may use it."""
        return CardPlace(self._settings.models, self._catalog.cards(), self._store(order))

    def suggested_name(self, reference: str) -> str:
        """Return what a model is called where nobody says."""
        return suggested_name(self._store().reference(reference))

    def is_current(self, order: Order) -> bool:
        """Tell whether an order fetches what its card needs now; other orders stay as they are."""
        if not isinstance(order, FetchOrder):
            return True
        found = (card for card in self._catalog.cards() if card.name == order.card)
        return any(fetch_order(card) == order for card in found)

    def card_of(self, order: Order) -> ResolvedCard | None:
        """Return the card that an order is about, once it is there."""
        name = self._name_of(order) if isinstance(order, PullOrder) else order.model
        place = card_file(self._settings.models, name)
        cards = self._catalog.cards()
        return next((card for card in cards if card.path == place or card.name == name), None)

    def check(self, order: CallersOrder) -> None:
        """Raise a LocalAIError for what can be told before anything is asked or fetched."""
        if isinstance(order, PullOrder):
            self._refuse_taken(self._name_of(order), order.reference, order)
        elif isinstance(order, InstallOrder) or not order.url:
            entry = self.entry_of(order)
            self._refuse_taken(entry.name, main_reference(entry), order)
        elif order.name:
            self._refuse_taken(order.name, None, order)

    def free(self, card: ResolvedCard, others: Iterable[ResolvedCard]) -> int:
        """Remove of the store what `card` needs and none of `others`; returns freed bytes.

        Raises InUse when a process has a file of it open.
        """
        return free(card, others, self._store())

    def _perform(self, order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        match order:
            case FetchOrder():
                return fetch_card(self._catalog.find(order.card), self._store(), report, cancel)
            case InstallOrder() | ConfigureOrder():
                entry = self.entry_of(order, cancel)
                return install_ordered(order, entry, self.place(order), report, cancel)
            case PullOrder():
                return self._pull(order, report, cancel)
        raise AssertionError(f"{order} was carried out before it was noted")

    def _pull(self, order: PullOrder, report: Report, cancel: threading.Event) -> Sequence[str]:
        name, place = self._name_of(order), self.place(order)
        confined = self._is_confined(order)
        return pull_ordered(order, name, place, self.backends, report, cancel, is_confined=confined)

    def _name_of(self, order: PullOrder) -> str:
        return order.name or self.suggested_name(order.reference)

    def _refuse_taken(self, name: str, reference: str | None, order: CallersOrder) -> None:
        refuse_taken(name, reference, self.place(), force=order.force)

    def _store(self, order: CallersOrder | None = None) -> Store:
        # Its clients for hubs and registries are slow to import, and most gateways need none.
        from localai.store.store import Store

        confined = order is not None and self._is_confined(order)
        return Store(self._settings.store, public_only=confined)

    def _is_confined(self, order: CallersOrder) -> bool:
        return order.from_caller and not self._settings.allow_private_models
