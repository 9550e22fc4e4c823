"""Which models of the store a card needs, compared by what lies where and not by names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from localai.cards.leads import Leads
from localai.cards.model_files import remote_references
from localai.cards.resolved import ResolvedCard
from localai.errors import InvalidReference
from localai.files import place_of
from localai.gallery.card_files import places_of, stored_files, stored_places
from localai.references import local_path

if TYPE_CHECKING:
    from localai.store.records import StoredModel
    from localai.store.store import Store


class Needs:
    """What some cards need: paths on this machine, and references by their canonical text.

    What they only mention, as in a description, keeps a model from removal; it is never needed, as
    what a deleted card needs is removed with it.
    """

    def __init__(self, cards: Iterable[ResolvedCard], store: Store) -> None:
        self._store = store
        self._paths: set[Path] = set()
        self._mentioned: set[Path] = set()
        self._references: set[str] = set()
        for card in cards:
            self._add(card)

    def include(self, model: StoredModel) -> bool:
        """Tell whether any of the cards needs `model`, or a file of it."""
        files = stored_files(model, self._store.folder)
        return model.reference in self._references or not self._paths.isdisjoint(files)

    def touch(self, model: StoredModel) -> bool:
        """Tell whether any of the cards needs or mentions `model`, a file or a folder of it."""
        around = stored_places(model, self._store.folder)
        return self.include(model) or not around.isdisjoint(self._paths | self._mentioned)

    def _add(self, card: ResolvedCard) -> None:
        references = remote_references(card)
        self._references.update(map(self._canonical, references))
        located = (card.locate(text) for text in references)
        self._paths.update(place_of(path) for path in located if path is not None)
        self._paths.update(_local_files(card))
        content = card.card.model_dump(mode="json", exclude_unset=True)
        self._mentioned |= places_of(content, card.path.parent, card.locate)

    def _canonical(self, text: str) -> str:
        try:
            return str(self._store.reference(text))
        except InvalidReference:
            return text  # such a card finds no model, so it needs none


def _local_files(card: ResolvedCard) -> Iterator[Path]:
    """Yield the places that the card's model, its options and its `files` name by their paths."""
    leads = Leads(card)
    named = (*leads.options.values(), *([leads.model] if leads.model else []))
    texts = (*(lead.text for lead in named), *(file.path for file in card.card.files))
    for text in texts:
        path = local_path(text) if text and "\0" not in text else None
        if path is not None:
            yield place_of(card.path.parent / path)
