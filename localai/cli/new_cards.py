"""The cards that commands write: their names, what they say, and what to try then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from localai.cli.opening import backends_of
from localai.cli.terminal import printable
from localai.cli.trying import what_to_try
from localai.settings import Settings

if TYPE_CHECKING:
    from localai.cards.importers.imported import Imported
    from localai.store.records import StoredModel


def check_name(name: str) -> None:
    """Refuse a name that a card cannot have."""
    from pydantic import ValidationError

    from localai.cards.schema import Card

    try:
        Card(name=name, backend="llama_cpp")
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise click.BadParameter(reason, param_hint="--name") from error


def suggested_card_name(text: str) -> str:
    """Return what a model is called after its reference."""
    from localai.references import parse_reference
    from localai.store.naming import suggested_name

    return suggested_name(parse_reference(text))


def import_of(name: str, model: StoredModel, settings: Settings) -> Imported:
    """Return the card that runs a model, decided from the model's own files."""
    from localai.gallery.pulled import import_pulled

    return import_pulled(name, model, settings.store, backends_of(settings))


def say_notes(found: Imported) -> None:
    """Print what did not become a part of the card."""
    for note in found.notes:
        click.echo(printable(f"note: {note}"), err=True)


def try_card(card: Mapping[str, Any], settings: Settings) -> str:
    """Return a command that shows what the card's model can do."""
    manifest = backends_of(settings)[card["backend"]][1]
    usual = manifest.usual_capabilities(card.get("options", {}))
    return what_to_try(card["name"], card.get("capabilities") or usual)
