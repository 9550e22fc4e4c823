"""Models as a person means them: a card of theirs, a reference, or both; with their files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import click

from localai.errors import nearest
from localai.settings import Settings

if TYPE_CHECKING:
    from localai.cards.resolved import Locate
    from localai.store.records import StoredModel
    from localai.store.store import Store


@dataclass(frozen=True)
class OwnCard:
    """A card of the user's; with `is_own` false one that ships with LocalAI, as a profile's.

    `model` is where its model is, or would be, if that is known, and `needs` everything that the
    card names; both as `place_of` spells them.
    """

    path: Path
    name: str
    model: Path | None
    content: Mapping[str, Any]
    needs: frozenset[Path] = frozenset()
    is_own: bool = True


@dataclass(frozen=True)
class Found:
    """What a name means: a card, files in the store, or both.

    `same` are the records of the same model under other references, as of several spellings, and
    `cards` all that need a file of any of them.
    """

    card: OwnCard | None
    model: StoredModel | None
    cards: tuple[OwnCard, ...] = ()
    same: tuple[StoredModel, ...] = ()

    @property
    def name(self) -> str:
        """What to call it."""
        return self.card.name if self.card else self.model.reference if self.model else ""

    @property
    def others(self) -> tuple[OwnCard, ...]:
        """The cards that need the files besides the one that is meant."""
        return tuple(one for one in self.cards if one is not self.card)


def own_cards(settings: Settings) -> list[OwnCard]:
    """Return the cards of the user's folder and those in it; what is no YAML is passed over."""
    from localai.cli.whereabouts import locator_of

    return list(_cards(settings.models, locator_of(settings)))


def known_cards(settings: Settings) -> list[OwnCard]:
    """Return the user's cards, then those of the profile and the starters that they leave."""
    from localai.cli.profile_choice import with_profile
    from localai.cli.whereabouts import locator_of
    from localai.settings import catalog_folders

    locate, cards = locator_of(settings), own_cards(settings)
    *shipped, _ = catalog_folders(with_profile(settings, is_said=False))
    for folder in reversed(shipped):
        taken = {card.name for card in cards}
        found = _cards(folder, locate, is_own=False)
        cards += [card for card in found if card.name not in taken]
    return cards


def find_model(settings: Settings, store: Store, name: str) -> Found:
    """Return what `name` means: a card's name, a reference, or the start of an id.

    Raises ClickException that lists near names.
    """
    cards = known_cards(settings)
    card = next((one for one in cards if one.name == name), None)
    if card is not None:
        model = None if card.model is None else store.owner_of(card.model)
        return _found(card, model, store, cards)
    model = store.find(name) or _broken(store, name)
    if model is None:
        known = [one.name for one in cards] + [one.reference for one in store.list()]
        raise click.ClickException(f"There is no model '{name}' here.{nearest(name, known)}")
    users = cards_of(model, cards)
    return _found(users[0] if users else None, model, store, cards)


def cards_of(model: StoredModel | None, cards: Sequence[OwnCard]) -> tuple[OwnCard, ...]:
    """Return the cards whose model is `model`."""
    if model is None:
        return ()
    return tuple(one for one in cards if one.model is not None and one.model == model.model)


def _found(
    card: OwnCard | None, model: StoredModel | None, store: Store, cards: Sequence[OwnCard]
) -> Found:
    from localai.store.places import place_of

    if model is None:
        return Found(card, None)
    same = tuple(one for one in store.list() if one.model == model.model)
    parts = (store.folder / file.path for one in same for file in one.files)
    files = {place_of(path) for path in (model.model, *parts)}
    folders = {one for file in files for one in file.parents if store.folder in one.parents}
    users = tuple(one for one in cards if not one.needs.isdisjoint(files | folders))
    others = tuple(one for one in same if one.reference != model.reference)
    return Found(card, model, users, others)


def _broken(store: Store, name: str) -> StoredModel | None:
    """Return a model some of whose files are gone: it can still be shown and removed."""
    return next((one for one in store.list() if one.reference == name), None)


def _cards(folder: Path, locate: Locate, is_own: bool = True) -> Iterator[OwnCard]:
    from localai.cards.catalog import card_files
    from localai.cards.writing import read_content

    for path in card_files(folder):
        content = read_content(path)
        if content is not None:  # `localai card check` tells what is wrong with the others
            written = content.get("model")
            model = _place(path.parent, written, locate) if isinstance(written, str) else None
            needs = {*_named(path.parent, content, locate), *([model] if model else [])}
            name = str(content.get("name", path.stem))
            yield OwnCard(path, name, model, content, frozenset(needs), is_own)


def _place(folder: Path, model: str, locate: Locate) -> Path | None:
    """Return where a card's model is, or would be; None for one from elsewhere not here yet."""
    from localai.store.places import place_of

    path = place_of(folder / os.path.expanduser(model))
    if "://" not in model:
        meaning = None if path.exists() else locate.meaning(model)
        if meaning is None:
            return path
        model = meaning.reference
    if model.lower().startswith("file://"):
        return place_of(Path(unquote(urlsplit(model).path)))
    found = locate(model)
    return found and place_of(found)


def _named(folder: Path, content: Mapping[str, Any], locate: Locate) -> Iterator[Path]:
    """Yield what any text of a card may name: a card that is wrong elsewhere needs files too."""
    from localai.store.places import place_of

    for text in _texts(content):
        if not text or "\n" in text or "\0" in text:
            continue
        if "/" in text and (found := _place(folder, text, locate)) is not None:
            yield found
        if "://" not in text:
            yield place_of(folder / os.path.expanduser(text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
