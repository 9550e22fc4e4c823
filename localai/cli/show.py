"""`localai show`: all that is known about a model on this machine."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from localai.cli.settings_options import settings_of, settings_options
from localai.cli.stored_models import FoundModel, find_model
from localai.cli.tables import render_bytes, render_table


@click.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON")
@settings_options("models", "store", "profile")
def show_command(name: str, as_json: bool, config: Path | None, **flags: Any) -> None:
    """Show the model NAME: a card's name, a reference, or the start of an id."""
    from localai.cli.opening import open_store

    settings = settings_of(config, flags)
    store = open_store(settings)
    found = find_model(settings, store, name)
    told = _told(found)
    if as_json:
        files = [vars(file) for file in found.model.files] if found.model else []
        click.echo(json.dumps(told | {"files": files}, indent=2, default=str))
        return
    click.echo(found.name)
    for key, value in told.items():
        click.echo(f"  {key}: {value}")
    if found.model is not None:
        rows = [
            (
                file.path,
                render_bytes(file.size),
                _how(store.folder / file.path, file.how),
                file.sha256,
            )
            for file in found.model.files
        ]
        click.echo(render_table(("FILE", "SIZE", "HOW", "SHA256"), rows))


def _how(path: Path, how: str) -> str:
    """Return how a file came, and whether other programs' caches have it too, as `df` counts."""
    is_shared = path.exists() and path.stat().st_nlink > 1
    return f"{how}, shared" if is_shared else how


def _told(found: FoundModel) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if (model := found.model) is not None:
        told |= {"reference": model.reference, "id": model.id, "size": render_bytes(model.size)}
        told["pulled"] = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(model.pulled))
        told |= {"revision": model.revision} if model.revision else {}
        told["model"] = str(model.model)
    if (card := found.card) is not None:
        told |= {"card": str(card.path), "backend": card.content.get("backend")}
        told |= {"model": str(card.model)} if card.model else {}
    others = [one.name for one in found.others]
    return told | ({"also used by": ", ".join(others)} if others else {})
