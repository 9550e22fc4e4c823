"""`localai list`: the models on this machine."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from localai.amounts import shown_age
from localai.cli.settings_options import settings_of, settings_options
from localai.cli.tables import render_bytes, render_table
from localai.settings import Settings, builtin_cards_folder

_HEADINGS = ("NAME", "ID", "SIZE", "MODIFIED")


@dataclass(frozen=True)
class _Line:
    name: str
    id: str
    size: int | None
    modified: float
    reference: str


@click.command("list")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: sizes in bytes, times in seconds"
)
@settings_options("models", "store", "profile")
def list_command(as_json: bool, config: Path | None, **flags: Any) -> None:
    """List the models on this machine: pulled ones, and those of your cards and the profile."""
    settings = settings_of(config, flags)
    lines = _lines(settings)
    if as_json:
        click.echo(json.dumps([vars(line) for line in lines], indent=2))
        return
    now = time.time()
    rows = [
        (line.name, line.id or "-", render_bytes(line.size), shown_age(now - line.modified))
        for line in lines
    ]
    click.echo(render_table(_HEADINGS, rows))


def _lines(settings: Settings) -> list[_Line]:
    from localai.cli.opening import open_store
    from localai.cli.stored_models import cards_of, known_cards

    starters = builtin_cards_folder()  # they are no pulled models, nor cards of the user's
    cards = [card for card in known_cards(settings) if starters not in card.path.parents]
    lines: dict[tuple[str, Path], _Line] = {}
    # Of two spellings of one model the one with more files tells its size.
    for model in sorted(open_store(settings).list(), key=lambda one: one.size, reverse=True):
        for name in [card.name for card in cards_of(model, cards)] or [model.reference]:
            line = _Line(name, model.id, model.size, model.pulled, model.reference)
            lines.setdefault((name, model.model), line)
    for card in cards:
        if card.model is not None and card.model.exists():
            found = card.model.stat()
            size = found.st_size if card.model.is_file() else None
            line = _Line(card.name, "", size, found.st_mtime, str(card.model))
            lines.setdefault((card.name, card.model), line)
    return sorted(lines.values(), key=lambda line: line.name)
