"""`localai df`: how much room the models take."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from localai.cli.settings_options import settings_of, settings_options
from localai.cli.tables import render_bytes, render_table

_WORDS = {
    "models": "models",
    "shared": "  of it shared with other programs' caches",
    "unfinished": "unfinished downloads (`localai prune` removes them after a week, or with --all)",
    "unused": "needed by no model (`localai prune` removes them)",
    "free": "free on this disk",
}


@click.command("df")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in bytes")
@settings_options("store")
def df_command(as_json: bool, config: Path | None, **flags: Any) -> None:
    """Show how much room the store takes, and how much is left."""
    from localai.cli.opening import open_store

    store = open_store(settings_of(config, flags))
    used = asdict(store.usage())
    if as_json:
        click.echo(json.dumps(used | {"folder": str(store.folder)}, indent=2))
        return
    click.echo(store.folder)
    click.echo(render_table(("SIZE", "WHAT"), [(render_bytes(used[k]), _WORDS[k]) for k in _WORDS]))
