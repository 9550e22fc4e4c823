"""`localai export`: a model with its card as one file, for a machine without a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.amounts import shown_bytes
from localai.cli.settings_options import settings_of, settings_options

if TYPE_CHECKING:
    from localai.cards.resolved import Locate
    from localai.cli.stored_models import FoundModel, KnownCard
    from localai.settings import Settings
    from localai.store.records import StoredModel

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
    from localai.cli.whereabouts import locator_of

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
    locate = locator_of(settings)
    card = {} if found.card is None else _with_places(found.card, settings, locate)
    if not model.files:
        card["model"] = f"{PLACEHOLDER}/imported/{model.model.stem}/{model.model.name}"
    here = found.card.path.parent if found.card is not None else store.folder
    text = yaml.safe_dump(_portable(card, here, store.folder), sort_keys=False)
    model = _with_parts(model, found)
    size = store.export(model, file.absolute(), text if card else "")
    for path in _left_behind(model, found, locate, store.folder):
        click.echo(f"note: {path} stays behind: it was not pulled with the model.", err=True)
    click.echo(f"Wrote {file}, {shown_bytes(size)}.")


def _nothing_to_export(name: str, found: FoundModel) -> str:
    reference = found.card.content.get("model") if found.card is not None else None
    if reference is None:
        return f"The card of '{name}' names no file to export."
    return f"The model of '{name}' is not here yet: `localai pull {reference}` fetches it."


def _with_parts(model: StoredModel, found: FoundModel) -> StoredModel:
    """Return the model with the files of all others that its card names."""
    files = {file.path: file for one in (*found.parts, model) for file in one.files}
    return replace(model, files=tuple(files.values())) if model.files else model


def _left_behind(model: StoredModel, found: FoundModel, locate: Locate, store: Path) -> list[Path]:
    """Return the files that options and `files` of the card name, and that are not exported."""
    from localai.gallery.card_files import places_of, stored_files

    if found.card is None:
        return []
    content = {key: found.card.content.get(key) for key in ("options", "files")}
    named = places_of(content, found.card.path.parent, locate)
    return sorted(path for path in named - stored_files(model, store) if path.is_file())


def _with_places(card: KnownCard, settings: Settings, locate: Locate) -> dict[str, Any]:
    """Return the content of a card with what its `files` brought by where it is in the store.

    There alone it is told where it came from; the machine that takes it in looks nowhere else.
    """
    from localai.cli.stored_models import readable_backends
    from localai.gallery.card_files import place_named, with_places

    folder, content = card.path.parent, dict(card.content)
    places: dict[str, Path | None] = {
        one["path"]: place_named(one["uri"], folder, locate)
        for one in content.get("files") or ()
        if isinstance(one, dict) and {"path", "uri"} <= one.keys()
    }
    written = content.get("model")
    if places and isinstance(written, str) and "://" not in written:
        places[written] = card.model  # it may have come in an archive
    stored = {
        text: str(place)
        for text, place in places.items()
        if place is not None and not (folder / text).exists()
    }
    _, manifest = readable_backends(settings).get(str(content.get("backend")), (None, None))
    return with_places(content, stored, manifest)


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
