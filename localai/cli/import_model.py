"""`localai import`: a model that `localai export` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from localai.cli.settings_options import settings_of, settings_options
from localai.settings import ensure_folders


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--name", help="What the model is called; default: as it was")
@click.option("--trust", is_flag=True, help="Take Python pickles too, which can run any program")
@click.option("--force", is_flag=True, help="Replace a card that is there")
@settings_options("models", "store", "backends")
def import_command(
    file: Path, name: str | None, trust: bool, force: bool, config: Path | None, **flags: Any
) -> None:
    """Take in the model of the tar FILE: each file is verified, and its card is written."""
    import yaml
    from pydantic import ValidationError

    from localai.cards.schema import Card
    from localai.cli.export import PLACEHOLDER, moved
    from localai.cli.pull import (
        card_of,
        card_path,
        open_store,
        suggested_card_name,
        write_card,
    )

    settings = settings_of(config, flags)
    ensure_folders(settings)
    store = open_store(settings)
    packed = store.import_(file, trust)
    content = yaml.safe_load(packed.card)
    try:
        if content is None:
            named = name or suggested_card_name(packed.model.reference)
            card = card_of(named, packed.model, settings)
        else:
            moved_content = moved(content, PLACEHOLDER, str(store.folder))
            card = Card(**(moved_content | ({"name": name} if name else {})))
    except (ValidationError, TypeError) as error:
        raise click.ClickException(f"The card in {file} cannot be used: {error}") from error
    target = card_path(settings, card.name)
    write_card(target, card, force)
    store.note_card(packed.model, card.name)
    click.echo(f"Wrote {target}. Try: localai chat {card.name}")
