"""Carries out the order to pull a model by its reference, and writes the card that runs it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localai.cards.resolved import Backends
from localai.cards.schema import Card
from localai.cards.writing import card_file, read_content, write_card
from localai.gallery.card_files import sources_of, with_places
from localai.gallery.install import kept_note, refuse_cancelled
from localai.gallery.localai_format import deep_merge
from localai.gallery.order import PullOrder
from localai.gallery.overriding import changes_of
from localai.gallery.pulled import import_pulled, refuse_not_run
from localai.gallery.taken_names import CardPlace, refuse_taken
from localai.references import is_remote
from localai.store.progress import Report

if TYPE_CHECKING:
    from localai.store.records import StoredModel
    from localai.store.store import Store


def pull_ordered(
    order: PullOrder,
    name: str,
    place: CardPlace,
    backends: Backends,
    report: Report,
    cancel: threading.Event,
    *,
    is_confined: bool,
) -> Sequence[str]:
    """Pull the model, write its card as `name`, and return what is to be known of it.

    One that `is_confined` reaches the public internet alone, also with what its card names.
    """
    store = place.store
    refuse_taken(name, order.reference, place, force=order.force)
    place.check_can_be_written(name, force=order.force)
    model = store.pull(order.reference, check=refuse_not_run, progress=report, cancel=cancel)
    more = {
        file.filename: store.pull(file.uri, sha256=file.sha256, progress=report, cancel=cancel)
        for file in order.files
    }
    card, notes = pulled_card(name, model, more, order, store.folder, backends)
    if is_confined:
        # What a card names is fetched as the operator's word, so the caller's goes first.
        for text in sources_of(card):
            store.pull(text, progress=report, cancel=cancel)
    refuse_cancelled(cancel)
    target = card_file(place.models, name)
    content = card.model_dump(mode="json", exclude_unset=True)
    is_kept = not order.force and _names(target, model, store)
    is_new = not is_kept and write_card(target, content, "replace" if order.force else "keep")
    for one in (model, *more.values()):
        store.note_card(one, target)
    return [*notes, *([] if is_new else [kept_note(target)])]


def _names(card: Path, model: StoredModel, store: Store) -> bool:
    """Tell whether a card names by a reference what was pulled, and not by its path."""
    named = (read_content(card) or {}).get("model")
    if not isinstance(named, str) or not is_remote(named):
        return False
    found = store.find(named)
    return found is not None and found.model == model.model


def pulled_card(
    name: str,
    model: StoredModel,
    more: Mapping[str, StoredModel],
    order: PullOrder,
    store: Path,
    backends: Backends,
) -> tuple[Card, tuple[str, ...]]:
    """Return the card of a pulled model, with the order's overrides, and notes on what was lost.

    `more` are its other files.
    """
    found = import_pulled(name, model, store, backends)
    content = Card.model_validate(found.card).model_dump(mode="json", exclude_unset=True)
    if order.description:
        content["description"] = order.description
    files = [file.as_listed() for file in order.files]
    if order.overrides:
        described = content | {"model": model.model.name, "files": files}
        changes = changes_of(described, order.overrides, backends, model.model.parent)
        files += changes.pop("files", [])
        content = deep_merge(content, changes)
    places = {path: str(one.model) for path, one in more.items()}
    listed = [file | {"path": places.get(file["path"], file["path"])} for file in files]
    if listed:
        content["files"] = listed
    _, manifest = backends[content["backend"]]
    return Card.model_validate(with_places(content, places, manifest)), found.notes
