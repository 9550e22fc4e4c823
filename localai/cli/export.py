"""`localai export`: a model with its card as one file, for a machine without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.amounts import shown_bytes
from localai.cli.settings_options import settings_of, settings_options

if TYPE_CHECKING:
    from localai.cli.stored_models import FoundModel

PLACEHOLDER = "{store}"
"""What stands in an exported card for the folder of the store, which differs by machine."""


@click.command("export")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace the file")
@settings_options("models", "store", "profile")
def export_command(name: str, file: Path, force: bool, config: Path | None, **flags: Any) -> None:
    """Write the model NAME with its card to the tar FILE; `localai import FILE` takes it in."""
    import yaml

    from localai.cli.opening import open_store
    from localai.cli.stored_models import find_model

    settings = settings_of(config, flags)
    store = open_store(settings)
    if file.exists() and not force:
        raise click.ClickException(f"{file} is already there: replace it with --force.")
    found = find_model(settings, store, name)
    model = found.model
    if model is None:
        if found.card is None or found.card.model is None:
            raise click.ClickException(_nothing_to_export(name, found))
        model = store.pull(str(found.card.model))
    card = dict(found.card.content) if found.card is not None else {}
    if not model.files:
        card["model"] = f"{PLACEHOLDER}/imported/{model.model.stem}/{model.model.name}"
    here = found.card.path.parent if found.card is not None else store.folder
    text = yaml.safe_dump(_portable(card, here, store.folder), sort_keys=False)
    size = store.export(model, file.absolute(), text if card else "")
    click.echo(f"Wrote {file}, {shown_bytes(size)}.")


def _nothing_to_export(name: str, found: FoundModel) -> str:
    reference = found.card.content.get("model") if found.card is not None else None
    if reference is None:
        return f"The card of '{name}' names no file to export."
    return f"The model of '{name}' is not here yet: `localai pull {reference}` fetches it."


def _portable(value: Any, here: Path, store: Path) -> Any:
    """Return a card's `value` with `{store}` in place of the store, by whatever path it is."""
    from localai.files import place_of

    if isinstance(value, dict):
        return {key: _portable(one, here, store) for key, one in value.items()}
    if isinstance(value, list):
        return [_portable(one, here, store) for one in value]
    if not isinstance(value, str) or "/" not in value or "\n" in value or "\0" in value:
        return value
    place = place_of(here / value)
    is_stored = place.is_relative_to(store) and place.exists()
    return f"{PLACEHOLDER}/{place.relative_to(store).as_posix()}" if is_stored else value


def moved(value: Any, old: str, new: str) -> Any:
    """Return `value` with the paths below the folder `old` below `new` instead."""
    if isinstance(value, dict):
        return {key: moved(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [moved(one, old, new) for one in value]
    if isinstance(value, str) and (value == old or value.startswith(f"{old}/")):
        return new + value.removeprefix(old)
    return value
