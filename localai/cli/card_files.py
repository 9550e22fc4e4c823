"""`localai pull NAME` of a card that is here: what it names is fetched, and no card is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localai.cli.opening import open_store
from localai.cli.trying import what_to_try
from localai.settings import PROFILES, Settings, profile_folder

if TYPE_CHECKING:
    from localai.cards.resolved import ResolvedCard


def fetch_card(settings: Settings, name: str, *, trust: bool, again: bool) -> bool:
    """Fetch what the card called `name` needs, or all of it `again`; False where none is called so.

    Cards of the profile and of the user count, if their models lie elsewhere; to have it `again`
    replaces a card of the user's, so that only a gallery can do it.
    """
    card = _card_to_fetch(settings, name)
    if card is None or (again and card.path.parent == settings.models):
        return False
    fetched = _fetch(settings, card, trust=trust or card.card.trust, again=again)
    done = "its files are here" if fetched else "its files are here already"
    example = what_to_try(card.name, card.capabilities)
    click.echo(f"Kept {card.path}; {done}. Try: {example}")
    return True


def keep_card(settings: Settings, name: str) -> bool:
    """Say of a card called `name` that there is nothing to fetch; False where none is called so.

    Raises LoadFailed, which says what to do, where its model is not there.
    """
    from localai.cards.model_files import safe_model_path

    card = next(iter(_cards_called(settings, name)), None)
    if card is None:
        return False
    path = safe_model_path(card)
    model = "it needs no model file" if path is None else f"its model is {path}"
    example = what_to_try(card.name, card.capabilities)
    click.echo(f"Kept {card.path}; {model}: there is nothing to fetch. Try: {example}")
    return True


@contextmanager
def hint_at_profiles(name: str) -> Iterator[None]:
    """Add to the refusal of a name that nobody knows which profiles have it."""
    from localai.errors import ModelNotFound

    try:
        yield
    except ModelNotFound as error:
        profiles = [one for one in PROFILES if _has_card(profile_folder(one), name)]
        if not profiles:
            raise
        text = f"A profile has it: `localai pull {name} --profile {profiles[0]}`"
        more = f" (or {', '.join(profiles[1:])})" if profiles[1:] else ""
        raise ModelNotFound(f"{error.message} {text}{more}.", param=error.param) from error


def _has_card(folder: Path, name: str) -> bool:
    from localai.cards.catalog import card_files
    from localai.cards.writing import read_content

    contents = (read_content(path) or {} for path in card_files(folder))
    return any(name in [one.get("name"), *one.get("aliases", [])] for one in contents)


def _card_to_fetch(settings: Settings, name: str) -> ResolvedCard | None:
    from localai.cards.model_files import remote_references

    return next((one for one in _cards_called(settings, name) if remote_references(one)), None)


def _cards_called(settings: Settings, name: str) -> list[ResolvedCard]:
    """Return the cards of this name, then those with such an alias."""
    from localai.cli.checked_cards import read_cards
    from localai.cli.profile_choice import with_profile

    cards = read_cards(with_profile(settings)).cards
    named = [card for card in cards if card.name == name]
    return [*named, *(card for card in cards if card not in named and name in card.card.aliases)]


def _fetch(settings: Settings, card: ResolvedCard, *, trust: bool, again: bool) -> bool:
    """Fetch what the card needs, and tell whether there was anything to fetch."""
    from localai.cards.model_files import missing_references, remote_references
    from localai.cli.download_bars import download_bars

    store = open_store(settings)
    wanted = remote_references(card) if again else missing_references(card)
    with download_bars() as show:
        for text, sha256 in wanted.items():
            model = store.pull(
                text,
                sha256=sha256,
                trust=trust,
                force=again,
                projector="mmproj" not in card.card.options,  # else the card names its own
                progress=show,
            )
            store.note_card(model, card.path)
    return bool(wanted)
