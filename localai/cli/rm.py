"""`localai rm`: a model's card, and those of its files that nobody else needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.cli.settings_options import settings_of, settings_options
from localai.cli.stored_models import Found, find_model
from localai.cli.tables import render_bytes

if TYPE_CHECKING:
    from localai.store.removing import Removed
    from localai.store.store import Store


@click.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--force", is_flag=True, help="Remove it even while a process has it open")
@settings_options("models", "store")
def rm_command(names: tuple[str, ...], force: bool, config: Path | None, **flags: Any) -> None:
    """Remove the models NAME: card names, references, or starts of ids.

    A file that another model needs stays, as do files that you keep elsewhere yourself.
    """
    from localai.cli.pull import open_store

    settings = settings_of(config, flags)
    store = open_store(settings)
    for name in names:
        found = find_model(settings, store, name)
        _refuse_other_cards(found, name, force)
        removed = _remove_files(found, store, force)
        if found.card is not None:
            found.card.path.unlink(missing_ok=True)
        click.echo(f"Removed {found.name}; {render_bytes(removed.freed)} became free.")
        for line in _what_stays(removed):
            click.echo(line)


def _refuse_other_cards(found: Found, name: str, force: bool) -> None:
    """Refuse to take a model away by its reference while several cards run it."""
    by_reference = found.model is not None and name != found.name
    if by_reference and len(found.cards) > 1 and not force:
        names = ", ".join(card.name for card in found.cards)
        raise click.ClickException(
            f"'{name}' is run by the cards {names}: remove those, or --force."
        )


def _remove_files(found: Found, store: Store, force: bool) -> Removed:
    """Remove the stored files unless another card still runs them."""
    from localai.store.removing import Removed

    others = [card for card in found.cards if card is not found.card]
    if found.model is None or (others and not force):
        return Removed(0)
    return store.remove(found.model.reference, force)


def _what_stays(removed: Removed) -> Iterator[str]:
    """Tell how many bytes are on this machine nonetheless, and where."""
    from localai.store.hub_cache import cache_folder, is_in_cache

    cached = [one for one in removed.elsewhere if one.path is not None and is_in_cache(one.path)]
    if cached:
        size = render_bytes(sum(one.size for one in cached))
        yield (
            f"{size} stay in Hugging Face's cache ({cache_folder()}), where other programs read "
            "them: `hf cache` removes them."
        )
    for one in removed.elsewhere:
        if one not in cached:
            yield f"{render_bytes(one.size)} stay: {one.path or 'another file'} has the same bytes."
