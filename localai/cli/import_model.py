"""`localai import`: a model that `localai export` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.cli.remedies import own_remedies
from localai.cli.settings_options import settings_of, settings_options
from localai.cli.unusable_folders import naming_the_folder
from localai.settings import Settings, ensure_folders

if TYPE_CHECKING:
    from localai.store.packing import Packed


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--name", help="What the model is called; default: as it was")
@click.option("--trust", is_flag=True, help="Take pickles, programs and any card of its maker")
@click.option("--force", is_flag=True, help="Replace a model and a card that are there")
@settings_options("models", "store", "backends")
@own_remedies
def import_command(
    file: Path, name: str | None, trust: bool, force: bool, config: Path | None, **flags: Any
) -> None:
    """Take in the model of the tar FILE: each file is verified, and its card is written."""
    from pydantic import ValidationError

    from localai.cards.writing import card_file, check_can_be_written, write_card
    from localai.cli.new_cards import check_name, suggested_card_name, try_card
    from localai.cli.opening import open_store

    if not file.is_file():  # it is read twice, which a pipe cannot be
        raise click.ClickException(f"{file} is no file.")
    settings = settings_of(config, flags)
    ensure_folders(settings)
    if name is not None:
        check_name(name)
    store = open_store(settings)

    def content_of(packed: Packed) -> dict[str, Any]:
        try:
            return _content(packed, file, name, settings)
        except (ValidationError, TypeError) as error:
            raise click.ClickException(f"The card in {file} cannot be used: {error}") from error

    def accept(packed: Packed) -> None:
        # Before gigabytes are copied, not after it.
        card = content_of(packed) if packed.card.strip() else {}
        named = card.get("name") or name or suggested_card_name(packed.model.reference)
        if not force:
            _refuse_taken(settings, named, card.get("model") or str(packed.model.model))
        if force or not card_file(settings.models, named).exists():
            check_can_be_written(card_file(settings.models, named))

    with naming_the_folder(settings):
        packed = store.import_(file, trust=trust, force=force, accept=accept)
        content = content_of(packed)
        target = card_file(settings.models, content["name"])
        wrote = write_card(target, content, "replace" if force else "keep")
        store.note_card(packed.model, target)
    click.echo(f"{'Wrote' if wrote else 'Kept'} {target}. Try: {try_card(content, settings)}")


def _refuse_taken(settings: Settings, name: str, model: str) -> None:
    """Refuse a name that a card of the user's has already, unless it runs this very model."""
    from localai.cards.writing import AnotherCard, card_file
    from localai.cli.stored_models import own_cards

    target = card_file(settings.models, name)
    for card in own_cards(settings):
        if (card.name == name or card.path == target) and card.model != Path(model):
            raise AnotherCard(card.path)


def _content(packed: Packed, file: Path, name: str | None, settings: Settings) -> dict[str, Any]:
    """Return the card that came along, with this store's paths; else one of the files alone."""
    from localai.cards.schema import Card
    from localai.cli.export import PLACEHOLDER, moved
    from localai.cli.new_cards import import_of, say_notes, suggested_card_name
    from localai.store.foreign_card import read_card

    content = read_card(packed.card, str(file))
    if content is None:
        found = import_of(
            name or suggested_card_name(packed.model.reference), packed.model, settings
        )
        say_notes(found)
        return found.card
    content = moved(content, PLACEHOLDER, str(settings.store.resolve()))
    card = Card(**(content | ({"name": name} if name else {})))
    return card.model_dump(mode="json", exclude_unset=True)
