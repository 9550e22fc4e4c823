"""`localai rm`: a model's card, and those of its files that nobody else needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.amounts import shown_bytes
from localai.cli.settings_options import settings_of, settings_options
from localai.cli.stored_models import FoundModel, find_model

if TYPE_CHECKING:
    from localai.store.removing import Removed
    from localai.store.store import Store


@click.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--force", is_flag=True, help="Remove it even while a process has it open")
@settings_options("models", "store", "profile")
def rm_command(names: tuple[str, ...], force: bool, config: Path | None, **flags: Any) -> None:
    """Remove the models NAME: card names, references, or starts of ids.

    A file that another model needs stays, as do files that you keep elsewhere yourself.
    """
    from localai.cli.opening import open_store
    from localai.cli.other_cards import cards_elsewhere
    from localai.store.removing import Removed

    settings = settings_of(config, flags)
    store = open_store(settings)
    for name in names:
        found = find_model(settings, store, name)
        _refuse_other_cards(found, name, force)
        elsewhere = [] if force else cards_elsewhere(found, store)
        removed = Removed(0) if elsewhere else _remove_files(found, store, force)
        _remove_card(found)
        click.echo(f"Removed {found.name}; {shown_bytes(removed.freed)} became free.")
        if elsewhere:
            click.echo(f"Its files stay for {', '.join(map(str, elsewhere))}.")
        for line in (*_who_needs(found, force), *_what_stays(removed)):
            click.echo(line)


def _refuse_other_cards(found: FoundModel, name: str, force: bool) -> None:
    """Refuse to take a model away by its reference while several cards, or others, need it."""
    if found.card is not None and not found.card.is_own and found.model is None:
        raise click.ClickException(
            f"Nothing of '{name}' can be removed: its card ships with LocalAI, and no file of it "
            "is in the store."
        )
    by_reference = found.model is not None and name != found.name
    if (by_reference or found.card is None) and found.others and not force:
        names = ", ".join(card.name for card in found.cards)
        raise click.ClickException(
            f"'{name}' is needed by the cards {names}: remove those, or --force."
        )


def _remove_files(found: FoundModel, store: Store, force: bool) -> Removed:
    """Remove the stored files, under all names of the model, unless another card needs them.

    With them go the parts that came for the card alone.
    """
    from localai.cli.other_cards import parts_to_remove
    from localai.store.removing import Removed

    gone = parts_to_remove(found, store)
    if found.model is not None and (force or not found.others):
        gone += [found.model, *found.same]
    return store.remove_all((one.reference for one in gone), force) if gone else Removed(0)


def _remove_card(found: FoundModel) -> None:
    if found.card is None:
        return
    if found.card.is_own:
        found.card.path.unlink(missing_ok=True)
    else:
        click.echo(f"The card {found.card.path} stays: it ships with LocalAI.")


def _who_needs(found: FoundModel, force: bool) -> Iterator[str]:
    if found.model is not None and found.others and not force:
        yield f"Its files stay for {', '.join(card.name for card in found.others)}."


def _what_stays(removed: Removed) -> Iterator[str]:
    """Tell how many bytes are on this machine nonetheless, and where."""
    from localai.store.hub_cache import cache_folder, is_in_cache

    cached = [one for one in removed.elsewhere if one.path is not None and is_in_cache(one.path)]
    if cached:
        size = shown_bytes(sum(one.size for one in cached))
        yield (
            f"{size} stay in Hugging Face's cache ({cache_folder()}), where other programs read "
            "them: `hf cache` removes them."
        )
    for one in removed.elsewhere:
        if one not in cached:
            yield f"{shown_bytes(one.size)} stay: {one.path or 'another file'} has the same bytes."
