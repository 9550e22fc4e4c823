"""`localai cp`: a model under one more name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from localai.cli.settings_options import settings_of, settings_options


@click.command("cp")
@click.argument("source")
@click.argument("name")
@settings_options("models", "store", "backends", "profile")
def cp_command(source: str, name: str, config: Path | None, **flags: Any) -> None:
    """Copy the card of the model SOURCE to the new model NAME; both share the files."""
    from localai.cards.writing import card_file, write_card
    from localai.cli.new_cards import check_name, import_of, say_notes, try_card
    from localai.cli.opening import open_store
    from localai.cli.stored_models import find_model, own_cards

    settings = settings_of(config, flags)
    store = open_store(settings)
    check_name(name, said_by="NAME")
    found = find_model(settings, store, source)
    beside = found.card is not None and found.card.is_own
    # Beside the card, from where its paths count; one that ships is copied to the user's own.
    folder = found.card.path.parent if found.card is not None and beside else settings.models
    target = card_file(folder, name)
    if target.exists() or name in {card.name for card in own_cards(settings)}:
        raise click.ClickException(f"There is already a model '{name}': remove it first.")
    if found.card is not None:
        content = {**found.card.content, "name": name}
        content.pop("aliases", None)  # an alias leads to one model only
        content = content if beside else _with_own_paths(content, found.card.path.parent)
    elif found.model is not None:
        imported = import_of(name, found.model, settings)
        say_notes(imported)
        content = imported.card
    write_card(target, content, "refuse")
    if found.model is not None:
        store.note_card(found.model, target)
    click.echo(f"Wrote {target}. Try: {try_card(content, settings)}")


def _with_own_paths(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a card whose model and options no longer name files by where the card lies."""

    def absolute(value: Any) -> Any:
        is_path = isinstance(value, str) and "\n" not in value and (folder / value).is_file()
        return str((folder / value).resolve()) if is_path else value

    options = {key: absolute(value) for key, value in (content.get("options") or {}).items()}
    content = {key: absolute(value) if key == "model" else value for key, value in content.items()}
    return content | ({"options": options} if options else {})
