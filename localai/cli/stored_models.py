"""Models as a person means them: a card of theirs, a reference, or both; with their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.errors import nearest
from localai.settings import Settings

if TYPE_CHECKING:
    from localai.cards.resolved import Locate
    from localai.store.records import StoredModel
    from localai.store.store import Store


@dataclass(frozen=True)
class KnownCard:
    """A card that names mean: the user's, or one that ships with LocalAI, which is not `is_own`.

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
class FoundModel:
    """What a name means: a card, files in the store, or both.

    `same` are the records of the same model under other references, as of several spellings, and
    `cards` all that need a file of any of them.
    """

    card: KnownCard | None
    model: StoredModel | None
    cards: tuple[KnownCard, ...] = ()
    same: tuple[StoredModel, ...] = ()

    @property
    def name(self) -> str:
        """What to call it."""
        return self.card.name if self.card else self.model.reference if self.model else ""

    @property
    def others(self) -> tuple[KnownCard, ...]:
        """The cards that need the files besides the one that is meant."""
        return tuple(one for one in self.cards if one is not self.card)


def own_cards(settings: Settings) -> list[KnownCard]:
    """Return the cards of the user's folder and those in it; what is no YAML is passed over."""
    from localai.cli.whereabouts import locator_of

    return list(_cards(settings.models, locator_of(settings)))


def known_cards(settings: Settings) -> list[KnownCard]:
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


def find_model(settings: Settings, store: Store, name: str) -> FoundModel:
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


def cards_of(model: StoredModel | None, cards: Sequence[KnownCard]) -> tuple[KnownCard, ...]:
    """Return the cards whose model is `model`."""
    if model is None:
        return ()
    return tuple(one for one in cards if one.model is not None and one.model == model.model)


def _found(
    card: KnownCard | None, model: StoredModel | None, store: Store, cards: Sequence[KnownCard]
) -> FoundModel:
    from localai.gallery.card_files import stored_places

    if model is None:
        return FoundModel(card, None)
    same = tuple(one for one in store.list() if one.model == model.model)
    places = {place for one in same for place in stored_places(one, store.folder)}
    users = tuple(one for one in cards if not one.needs.isdisjoint(places))
    others = tuple(one for one in same if one.reference != model.reference)
    return FoundModel(card, model, users, others)


def _broken(store: Store, name: str) -> StoredModel | None:
    """Return a model some of whose files are gone: it can still be shown and removed."""
    return next((one for one in store.list() if one.reference == name), None)


def _cards(folder: Path, locate: Locate, is_own: bool = True) -> Iterator[KnownCard]:
    from localai.cards.catalog import card_files
    from localai.cards.writing import read_content
    from localai.gallery.card_files import place_named, places_of

    for path in card_files(folder):
        content = read_content(path)
        if content is not None:  # `localai card check` tells what is wrong with the others
            written = content.get("model")
            model = None
            if isinstance(written, str):
                model = place_named(written, path.parent, locate)
            needs = places_of(content, path.parent, locate)
            name = str(content.get("name", path.stem))
            yield KnownCard(path, name, model, content, frozenset(needs), is_own)
