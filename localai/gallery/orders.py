"""What jobs do: fetch what a card needs, install a gallery's model, pull one by its reference."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from localai.cards.model_files import missing_references
from localai.cards.resolved import Backends, ResolvedCard
from localai.gallery.entry import Entry
from localai.gallery.galleries import Galleries, galleries_of
from localai.settings import Settings
from localai.store.progress import Report

if TYPE_CHECKING:
    from localai.store.store import Store


def fetch_order(card: ResolvedCard) -> dict[str, Any]:
    """Return the order to fetch what `card` needs."""
    return {"kind": "fetch", "card": card.name}


def install_order(text: str, entry: Entry) -> dict[str, Any]:
    """Return the order to install `entry`, which `gallery@name` or `name` finds again."""
    return {"kind": "install", "entry": text, "name": entry.name}


def pull_order(reference: str, name: str | None) -> dict[str, Any]:
    """Return the order to pull a reference and write a card for it."""
    return {"kind": "pull", "reference": reference, "name": name}


class Orders:
    """Carries out orders; `find` gives the card of a name as it is now."""

    def __init__(
        self, settings: Settings, backends: Backends, find: Callable[[str], ResolvedCard]
    ) -> None:
        self._settings = settings
        self._backends = backends
        self._find = find

    def galleries(self) -> Galleries:
        """Return the galleries as they are now."""
        return galleries_of(self._settings, self._backends)

    def perform(self, order: Mapping[str, Any], report: Report, cancel: threading.Event) -> None:
        """Do what `order` says; raises LocalAIError, and Cancelled when `cancel` is set."""
        work = {"fetch": self._fetch, "install": self._install, "pull": self._pull}
        work[order["kind"]](order, report, cancel)

    def delete(self, card: ResolvedCard) -> int:
        """Remove a card's file and what of the store it alone needs; returns freed bytes."""
        store = self._store()
        card.path.unlink(missing_ok=True)
        return sum(
            store.remove(model.reference).freed
            for model in store.list()
            if model.cards == (card.name,)
        )

    def _fetch(self, order: Mapping[str, Any], report: Report, cancel: threading.Event) -> None:
        card, store = self._find(order["card"]), self._store()
        for text, sha256 in missing_references(card).items():
            model = store.pull(
                text, sha256=sha256, trust=card.card.trust, progress=report, cancel=cancel
            )
            store.note_card(model, card.name)

    def _install(self, order: Mapping[str, Any], report: Report, cancel: threading.Event) -> None:
        from localai.gallery.install import install_from

        entry = self.galleries().find(order["entry"])
        install_from(self._store(), entry, self._settings.models, progress=report, cancel=cancel)

    def _pull(self, order: Mapping[str, Any], report: Report, cancel: threading.Event) -> None:
        from localai.gallery.pulled import card_of_pulled, write_card
        from localai.store.naming import suggested_name

        store = self._store()
        name = order["name"] or suggested_name(store.reference(order["reference"]))
        model = store.pull(order["reference"], progress=report, cancel=cancel)
        card, _ = card_of_pulled(name, model, store.folder, self._backends)
        write_card(card, self._settings.models)
        store.note_card(model, name)

    def _store(self) -> Store:
        # Its clients for hubs and registries are slow to import, and most gateways need none.
        from localai.store.store import Store

        return Store(self._settings.store)
