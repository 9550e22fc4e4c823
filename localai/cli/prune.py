"""`localai prune`: what lies in the store and no model needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.amounts import shown_bytes
from localai.cli.settings_options import settings_of, settings_options

if TYPE_CHECKING:
    from localai.store.store import Store


@click.command("prune")
@click.option("--all", "everything", is_flag=True, help="Also unfinished downloads and new files")
@click.option("--dry-run", "dry", is_flag=True, help="Only list what would go")
@settings_options("models", "store")
def prune_command(everything: bool, dry: bool, config: Path | None, **flags: Any) -> None:
    """Remove files of the store that no model and no card of yours needs.

    What was written in the last hour stays, and an unfinished download for a week after it was last
    tried, as it goes on when its pull is repeated. What is under way or loaded always stays.
    """
    from localai.cli.opening import open_store
    from localai.cli.stored_models import own_cards
    from localai.store.cleaning import Pruning

    settings = settings_of(config, flags)
    store = open_store(settings)
    needed = {path for card in own_cards(settings) for path in card.needs}
    kept = {path for path in needed if _is_foreign(store, path)}
    wanted = Pruning(0.0, 0.0, kept, dry) if everything else Pruning(kept=kept, dry=dry)
    pruned = store.prune(wanted)
    for path in pruned.paths:
        click.echo(path)
    count, size = len(pruned.paths), shown_bytes(pruned.freed)
    done = "would be removed; {} would become free." if dry else "removed; {} became free."
    click.echo(f"{count} files {done.format(size)}")


def _is_foreign(store: Store, path: Path) -> bool:
    """Tell whether a path lies among the models of the store, and none of them owns it."""
    from localai.store.layout import is_below_roots

    if not path.is_relative_to(store.folder):
        return False
    relative = path.relative_to(store.folder).as_posix()
    return is_below_roots(relative) and store.owner_of(path) is None
