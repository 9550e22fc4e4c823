"""Models as a person means them: a card of theirs, a reference, or both; with their files."""

from __future__ import annotations

from collections.abc import Mapping
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
    """A card in the user's own folder; `model` is its file's absolute path, if that is known."""

    path: Path
    name: str
    model: Path | None
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """What a name means: a card, files in the store, or both."""

    card: OwnCard | None
    model: StoredModel | None
    cards: tuple[OwnCard, ...] = ()

    @property
    def name(self) -> str:
        """What to call it."""
        return self.card.name if self.card else self.model.reference if self.model else ""


def own_cards(settings: Settings) -> list[OwnCard]:
    """Return the cards of the user's folder; those that are no YAML are passed over."""
    from localai.cards.writing import read_content
    from localai.cli.whereabouts import locator_of

    locate, cards = locator_of(settings), []
    for path in sorted(settings.models.glob("*.y*ml")):
        content = read_content(path)
        if content is not None:  # `localai card check` tells what is wrong with the others
            cards.append(_card(path, content, locate))
    return cards


def find_model(settings: Settings, store: Store, name: str) -> Found:
    """Return what `name` means: a card's name, a reference, or the start of an id.

    Raises ClickException that lists near names.
    """
    cards = own_cards(settings)
    card = next((one for one in cards if one.name == name), None)
    if card is not None:
        model = None if card.model is None else store.owner_of(card.model)
        return Found(card, model, cards_of(model, cards))
    model = store.find(name) or _broken(store, name)
    if model is None:
        known = [one.name for one in cards] + [one.reference for one in store.list()]
        raise click.ClickException(f"There is no model '{name}' here.{nearest(name, known)}")
    users = cards_of(model, cards)
    return Found(users[0] if users else None, model, users)


def cards_of(model: StoredModel | None, cards: list[OwnCard]) -> tuple[OwnCard, ...]:
    """Return the cards whose file belongs to `model`."""
    if model is None:
        return ()
    return tuple(one for one in cards if one.model is not None and one.model == model.model)


def _broken(store: Store, name: str) -> StoredModel | None:
    """Return a model some of whose files are gone: it can still be shown and removed."""
    return next((one for one in store.list() if one.reference == name), None)


def _card(path: Path, content: dict[str, Any], locate: Locate) -> OwnCard:
    model = content.get("model")
    place = _place(path.parent, model, locate) if isinstance(model, str) else None
    return OwnCard(path, str(content.get("name", path.stem)), place, content)


def _place(folder: Path, model: str, locate: Locate) -> Path | None:
    """Return where a card's model is, or would be; None for one from elsewhere not here yet."""
    path = (folder / Path(model).expanduser()).absolute()
    if "://" not in model:
        meaning = None if path.exists() else locate.meaning(model)
        if meaning is None:
            return path
        model = meaning.reference
    if model.lower().startswith("file://"):
        return Path(unquote(urlsplit(model).path))
    return locate(model)
