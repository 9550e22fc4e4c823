"""`localai prune`: what lies in the store and no model needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from localai.cli.settings_options import settings_of, settings_options
from localai.cli.tables import render_bytes

_HOUR = 3600.0


@click.command("prune")
@click.option("--all", "everything", is_flag=True, help="Also what was written in the last hour")
@settings_options("store")
def prune_command(everything: bool, config: Path | None, **flags: Any) -> None:
    """Remove unfinished downloads and files that no model needs."""
    from localai.cli.pull import open_store

    store = open_store(settings_of(config, flags))
    pruned = store.prune(0.0 if everything else _HOUR)
    for path in pruned.paths:
        click.echo(path)
    click.echo(f"{len(pruned.paths)} files removed; {render_bytes(pruned.freed)} became free.")
