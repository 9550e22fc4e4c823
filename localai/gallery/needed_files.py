"""Which models of the store a card needs, compared by what lies where and not by names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from localai.cards.model_files import remote_references
from localai.cards.resolved import ResolvedCard
from localai.errors import InvalidReference
from localai.store.places import place_of

if TYPE_CHECKING:
    from localai.store.records import StoredModel
    from localai.store.store import Store


class Needs:
    """What some cards need: paths on this machine, and references by their canonical text."""

    def __init__(self, cards: Iterable[ResolvedCard], store: Store) -> None:
        self._store = store
        self._paths: set[Path] = set()
        self._references: set[str] = set()
        for card in cards:
            self._add(card)

    def include(self, model: StoredModel) -> bool:
        """Tell whether any of the cards needs `model`, or a file of it."""
        files = {place_of(self._store.folder / file.path) for file in model.files}
        wanted = files | {place_of(model.model)}
        return model.reference in self._references or not self._paths.isdisjoint(wanted)

    def touch(self, model: StoredModel) -> bool:
        """Tell whether any of the cards needs `model`, a file of it, or a folder around one."""
        store = place_of(self._store.folder)
        files = [place_of(self._store.folder / file.path) for file in model.files]
        around = {folder for file in files for folder in file.parents if store in folder.parents}
        return self.include(model) or not self._paths.isdisjoint(around)

    def _add(self, card: ResolvedCard) -> None:
        references = remote_references(card)
        self._references.update(map(self._canonical, references))
        located = (card.locate(text) for text in references)
        named = (card.path.parent / _local(text) for text in _local_texts(card))
        self._paths.update(place_of(path) for path in (*located, *named) if path is not None)

    def _canonical(self, text: str) -> str:
        try:
            return str(self._store.reference(text))
        except InvalidReference:
            return text  # such a card finds no model, so it needs none


def _local_texts(card: ResolvedCard) -> list[str]:
    options = (
        card.options.get(name) for name, spec in card.manifest.options.items() if spec.is_path
    )
    texts = [card.card.model, *options, *(file.path for file in card.card.files)]
    remote = remote_references(card)
    return [text for text in texts if isinstance(text, str) and text and text not in remote]


def _local(text: str) -> Path:
    if text.lower().startswith("file:"):
        return Path(unquote(urlsplit(text).path))
    return Path(text).expanduser()
