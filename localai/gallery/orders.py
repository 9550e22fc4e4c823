"""What jobs do: fetch what a card needs, install a gallery's model, pull one by its reference."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from localai.cards.catalog import Catalog
from localai.cards.model_files import missing_references, remote_references
from localai.cards.resolved import Backends, ResolvedCard
from localai.cards.writing import card_file
from localai.gallery.chosen_form import form_of
from localai.gallery.entry import Entry
from localai.gallery.galleries import Galleries, galleries_of
from localai.gallery.taken_names import Place, main_reference, refuse_taken
from localai.network.reach import ANYWHERE, PUBLIC_MODELS
from localai.settings import Settings
from localai.store.errors import CannotWrite
from localai.store.progress import Report

if TYPE_CHECKING:
    from localai.store.store import Store

Order = dict[str, Any]


@dataclass(frozen=True)
class Extras:
    """What a caller asks for beside the model itself, in LocalAI's terms."""

    overrides: Mapping[str, Any] | None = None
    files: Sequence[Mapping[str, Any]] = ()
    description: str = ""
    force: bool = False
    """Whether the card is written anew where one of the name is there."""

    def of_order(self) -> Order:
        """Return the part of an order that says it; nothing for nothing."""
        parts = {
            "overrides": self.overrides, "files": self.files, "description": self.description,
            "force": self.force,
        }  # fmt: skip
        return {key: value for key, value in parts.items() if value}


def fetch_order(card: ResolvedCard) -> Order:
    """Return the order to fetch what `card` needs: a corrected card makes it another order."""
    return {"kind": "fetch", "card": card.name, "wants": remote_references(card)}


def install_order(
    text: str,
    entry: Entry,
    name: str | None = None,
    extras: Extras | None = None,
    variant: str | None = None,
) -> Order:
    """Return the order to install `entry`, which `gallery@name` or `name` finds again.

    `variant` is what its gallery calls the form that is installed, None for `entry` itself.
    """
    order = {"kind": "install", "entry": text, "name": name or entry.name}
    if variant is not None:
        order["variant"] = variant
    return order | (extras or Extras()).of_order()


def pull_order(reference: str, name: str | None, extras: Extras | None = None) -> Order:
    """Return the order to pull a reference and write a card for it."""
    order = {"kind": "pull", "reference": reference, "name": name}
    return order | (extras or Extras()).of_order()


def configure_order(
    url: str, config: Mapping[str, Any] | None, name: str | None, extras: Extras
) -> Order:
    """Return the order to install what a configuration of LocalAI's says: `url` is its base's."""
    order = {"kind": "configure", "url": url, "config": config, "name": name}
    return order | extras.of_order()


def of_caller(order: Order) -> Order:
    """Return an order that came over HTTP: it may not lead to where its caller has no way to."""
    return order | {"from_caller": True}


def delete_order(card: ResolvedCard) -> Order:
    """Return what the record of a deletion calls itself."""
    return {"kind": "delete", "name": card.name}


def model_of(order: Mapping[str, Any]) -> str:
    """Return what the model of an order is called, by its name where it has one already."""
    names = (order.get(key) for key in ("card", "name", "reference", "url"))
    return next((str(name) for name in names if name), "")


class Orders:
    """Carries out orders, with the cards of `catalog` as they are now."""

    def __init__(self, settings: Settings, backends: Backends, catalog: Catalog) -> None:
        self._settings = settings
        self.backends = backends
        self._catalog = catalog
        self._galleries = galleries_of(settings, backends)

    def galleries(self) -> Galleries:
        """Return the galleries, which are read again when they have changed."""
        return self._galleries

    def perform(
        self, order: Mapping[str, Any], report: Report, cancel: threading.Event
    ) -> Sequence[str]:
        """Do what `order` says, and return what is to be known of it, as sentences.

        Raises LocalAIError, and Cancelled when `cancel` is set.
        """
        work = {
            "fetch": self._fetch, "install": self._install, "pull": self._pull,
            "configure": self._install,
        }  # fmt: skip
        try:
            return work[order["kind"]](order, report, cancel)
        except OSError as error:
            raise CannotWrite(
                f"The store {self._settings.store} or the folder {self._settings.models} cannot be "
                f"used: {error}. Give this user the right to write there, or name other folders "
                "with LOCALAI_STORE and LOCALAI_MODELS."
            ) from error
        finally:
            # Whoever is told of the end finds the model.
            self._catalog.refresh()

    def entry_of(self, order: Mapping[str, Any]) -> Entry:
        """Return what an order to install installs; raises a LocalAIError for what cannot be."""
        from localai.gallery.fetching import fetch_text
        from localai.gallery.ordered_entry import configured_entry, ordered_entry
        from localai.store.transports.hub import endpoint

        if order["kind"] == "configure":
            confined = PUBLIC_MODELS.with_own(endpoint())
            reach = confined if self._is_confined(order) else ANYWHERE
            fetch = partial(fetch_text, reach=reach)
            return configured_entry(order, self.backends, fetch)
        entry = form_of(self._galleries.find(order["entry"]), order.get("variant"), self._galleries)
        return ordered_entry(entry, order, self.backends)

    def place(self) -> Place:
        """Return where cards are written, and which there are."""
        return Place(self._settings.models, self._catalog.cards(), self._store())

    def suggested_name(self, reference: str) -> str:
        """Return what a model is called where nobody says."""
        from localai.store.naming import suggested_name

        return suggested_name(self._store().reference(reference))

    def is_current(self, order: Mapping[str, Any]) -> bool:
        """Tell whether an order fetches what its card needs now; other orders stay as they are."""
        if order["kind"] != "fetch":
            return True
        found = (card for card in self._catalog.cards() if card.name == order["card"])
        return any(fetch_order(card) == order for card in found)

    def card_of(self, order: Mapping[str, Any]) -> ResolvedCard | None:
        """Return the card that an order is about, once it is there."""
        name = self._name_of(order) if order["kind"] == "pull" else model_of(order)
        place = card_file(self._settings.models, name)
        cards = self._catalog.cards()
        return next((card for card in cards if card.path == place or card.name == name), None)

    def check(self, order: Mapping[str, Any]) -> None:
        """Raise a LocalAIError for what can be told before anything is asked or fetched."""
        if order["kind"] == "pull":
            self._refuse_taken(self._name_of(order), order["reference"], order)
        elif order["kind"] == "install" or not order["url"]:
            entry = self.entry_of(order)
            self._refuse_taken(entry.name, main_reference(entry), order)
        elif order["name"]:
            self._refuse_taken(order["name"], None, order)

    def free(self, card: ResolvedCard, others: Iterable[ResolvedCard]) -> int:
        """Remove of the store what `card` needs and none of `others`; returns freed bytes.

        What the cards of other folders need stays too, as far as the store has noted them.

        Raises InUse when a process has a file of it open.
        """
        from localai.gallery.needed_files import Needs
        from localai.gallery.noted_cards import noted_cards
        from localai.gallery.unfinished_files import remove_unfinished
        from localai.store.places import place_of

        store, kept_cards = self._store(), list(others)
        own, kept = Needs([card], store), Needs(kept_cards, store)
        gone = [model for model in store.list() if own.include(model) and not kept.touch(model)]
        own_place = {place_of(card.path)}
        gone = [model for model in gone if own_place.issuperset(noted_cards(model, store))]
        freed = store.remove_all(model.reference for model in gone).freed
        return freed + remove_unfinished(card, kept_cards, store)

    def _fetch(
        self, order: Mapping[str, Any], report: Report, cancel: threading.Event
    ) -> Sequence[str]:
        card, store = self._catalog.find(order["card"]), self._store()
        notes: list[str] = []
        for text, sha256 in missing_references(card).items():
            model = store.pull(
                text,
                sha256=sha256,
                trust=card.card.trust,
                projector="mmproj" not in card.card.options,  # else the card names its own
                progress=report,
                cancel=cancel,
            )
            store.note_card(model, card.path)
            notes += model.notes
        return notes

    def _install(
        self, order: Mapping[str, Any], report: Report, cancel: threading.Event
    ) -> Sequence[str]:
        from localai.gallery.install import install_from

        entry = self.entry_of(order)
        self._refuse_taken(entry.name, main_reference(entry), order)
        installed = install_from(
            self._store(order),
            entry,
            self._settings.models,
            replace=bool(order.get("force")),
            progress=report,
            cancel=cancel,
        )
        form = [f"'{order['variant']}' is installed."] if order.get("variant") else []
        return [*form, *entry.notes, *([] if installed.is_new else [_kept(installed.card)])]

    def _pull(
        self, order: Mapping[str, Any], report: Report, cancel: threading.Event
    ) -> Sequence[str]:
        from localai.cards.writing import write_card
        from localai.gallery.install import refuse_cancelled
        from localai.gallery.named_sources import named_sources
        from localai.gallery.ordered_entry import pulled_card
        from localai.gallery.pulled import refuse_not_run

        store = self._store(order)
        name = self._name_of(order)
        self._refuse_taken(name, order["reference"], order)
        model = store.pull(order["reference"], check=refuse_not_run, progress=report, cancel=cancel)
        more = {
            file["filename"]: store.pull(
                file["uri"], sha256=file.get("sha256"), progress=report, cancel=cancel
            )
            for file in order.get("files", ())
        }
        card, notes = pulled_card(name, model, more, order, store.folder, self.backends)
        if self._is_confined(order):
            # What a card names is fetched as the operator's word, so the caller's goes first.
            for text in named_sources(card):
                store.pull(text, progress=report, cancel=cancel)
        refuse_cancelled(cancel)
        content = card.model_dump(mode="json", exclude_unset=True)
        target = card_file(self._settings.models, name)
        is_new = write_card(target, content, "replace" if order.get("force") else "keep")
        for one in (model, *more.values()):
            store.note_card(one, target)
        return [*notes, *([] if is_new else [_kept(target)])]

    def _name_of(self, order: Mapping[str, Any]) -> str:
        name: str | None = order["name"]
        return name or self.suggested_name(order["reference"])

    def _refuse_taken(self, name: str, reference: str | None, order: Mapping[str, Any]) -> None:
        refuse_taken(name, reference, self.place(), force=bool(order.get("force")))

    def _store(self, order: Mapping[str, Any] = MappingProxyType({})) -> Store:
        # Its clients for hubs and registries are slow to import, and most gateways need none.
        from localai.store.store import Store

        return Store(self._settings.store, public_only=self._is_confined(order))

    def _is_confined(self, order: Mapping[str, Any]) -> bool:
        return "from_caller" in order and not self._settings.allow_private_models


def _kept(card: Path) -> str:
    return (
        f"The card {card} was there and stays as it is, with what was written in it: `force` "
        "writes it anew."
    )
