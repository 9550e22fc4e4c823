"""Models as a person means them: a card of theirs, a reference, or both; with their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.errors import nearest
from localai.settings import Settings

if TYPE_CHECKING:
    from localai.cards.resolved import Backends, Locate
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

    `same` are the records of the same model under other references, as of several spellings,
    `cards` all that need a file of any of them. `parts` are the other models of the store that the
    card names, as a projector, and `own_parts` those that came for it alone.
    """

    card: KnownCard | None
    model: StoredModel | None
    cards: tuple[KnownCard, ...] = ()
    same: tuple[StoredModel, ...] = ()
    parts: tuple[StoredModel, ...] = ()
    own_parts: tuple[StoredModel, ...] = ()

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

    return list(_cards(settings.models, locator_of(settings), readable_backends(settings)))


def known_cards(settings: Settings) -> list[KnownCard]:
    """Return the user's cards, then those of the profile and the starters that they leave."""
    from localai.cli.profile_choice import with_profile
    from localai.cli.whereabouts import locator_of
    from localai.settings import catalog_folders

    locate, backends = locator_of(settings), readable_backends(settings)
    cards = own_cards(settings)
    *shipped, _ = catalog_folders(with_profile(settings, is_said=False))
    for folder in reversed(shipped):
        taken = {card.name for card in cards}
        found = _cards(folder, locate, backends, is_own=False)
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

    parts = _parts(card, model, store)
    own_parts = tuple(one for one in parts if _came_for(one, card, cards, store))
    if model is None:
        return FoundModel(card, None, parts=parts, own_parts=own_parts)
    same = tuple(one for one in store.list() if one.model == model.model)
    places = {place for one in same for place in stored_places(one, store.folder)}
    users = tuple(one for one in cards if not one.needs.isdisjoint(places))
    others = tuple(one for one in same if one.reference != model.reference)
    return FoundModel(card, model, users, others, parts, own_parts)


def _parts(
    card: KnownCard | None, model: StoredModel | None, store: Store
) -> tuple[StoredModel, ...]:
    from localai.gallery.card_files import stored_files

    if card is None:
        return ()
    return tuple(
        one
        for one in store.list()
        if (model is None or one.model != model.model)
        and not card.needs.isdisjoint(stored_files(one, store.folder))
    )


def _came_for(
    part: StoredModel, card: KnownCard | None, cards: Sequence[KnownCard], store: Store
) -> bool:
    """Tell whether a part was fetched by its reference for this card, and no other needs it."""
    from localai.gallery.card_files import stored_places, texts_of
    from localai.references import reference_or_none

    if card is None:
        return False
    places = stored_places(part, store.folder)
    named = {str(reference_or_none(text)) for text in texts_of(dict(card.content))}
    others = (one for one in cards if one is not card)
    return part.reference in named and all(one.needs.isdisjoint(places) for one in others)


def _broken(store: Store, name: str) -> StoredModel | None:
    """Return a model some of whose files are gone: it can still be shown and removed."""
    return next((one for one in store.list() if one.reference == name), None)


def _cards(
    folder: Path, locate: Locate, backends: Backends, is_own: bool = True
) -> Iterator[KnownCard]:
    from localai.cards.catalog import card_files
    from localai.cards.writing import read_content
    from localai.gallery.card_files import places_of

    for path in card_files(folder):
        content = read_content(path)
        if content is not None:  # `localai card check` tells what is wrong with the others
            model = _place_of_model(path, content, locate, backends)
            needs = places_of(content, path.parent, locate)
            name = str(content.get("name", path.stem))
            yield KnownCard(path, name, model, content, frozenset(needs), is_own)


def _place_of_model(
    path: Path, content: Mapping[str, Any], locate: Locate, backends: Backends
) -> Path | None:
    """Return where the model of the card at `path` is, or would be.

    What does not lie where the card says may have come by its `files`, as the loader knows.
    """
    from localai.cards.model_files import model_place
    from localai.cards.reading import check_card
    from localai.files import place_of
    from localai.gallery.card_files import place_named

    written = content.get("model")
    if not isinstance(written, str):
        return None
    place = place_named(written, path.parent, locate)
    if content.get("files") and (place is None or not place.exists()):
        card = check_card(path, backends).resolved
        found = None if card is None else model_place(replace(card, locate=locate))
        place = place if found is None else place_of(found)
    return place


def readable_backends(settings: Settings) -> Backends:
    """Return the backends; none where one cannot be read, which is no matter of what is stored."""
    from localai.cli.opening import backends_of
    from localai.errors import ConfigError

    try:
        return backends_of(settings)
    except ConfigError:
        return {}
