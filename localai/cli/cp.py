"""`localai cp`: a model under one more name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from localai.cli.settings_options import settings_of, settings_options


@click.command("cp")
@click.argument("source")
@click.argument("name")
@settings_options("models", "store", "backends")
def cp_command(source: str, name: str, config: Path | None, **flags: Any) -> None:
    """Copy the card of the model SOURCE to the new model NAME; both share the files."""
    from localai.cards.writing import card_file, write_card
    from localai.cli.pull import check_name, import_of, open_store, say_notes, try_card
    from localai.cli.stored_models import find_model, own_cards

    settings = settings_of(config, flags)
    store = open_store(settings)
    check_name(name)
    target = card_file(settings.models, name)
    if target.exists() or name in {card.name for card in own_cards(settings)}:
        raise click.ClickException(f"There is already a model '{name}': remove it first.")
    found = find_model(settings, store, source)
    if found.card is not None:
        content = {**found.card.content, "name": name}
        content.pop("aliases", None)  # an alias leads to one model only
    elif found.model is not None:
        imported = import_of(name, found.model, settings)
        say_notes(imported)
        content = imported.card
    write_card(target, content, "refuse")
    if found.model is not None:
        store.note_card(found.model, name)
    click.echo(f"Wrote {target}. Try: {try_card(content, settings)}")
