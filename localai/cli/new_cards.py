"""The cards that commands write: their names, what they say, and what to try then."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from localai.cli.opening import backends_of
from localai.cli.terminal import printable
from localai.cli.trying import what_to_try
from localai.settings import Settings

if TYPE_CHECKING:
    from localai.cards.importers.imported import Imported
    from localai.references import Reference
    from localai.store.records import StoredModel


def check_name(name: str, said_by: str = "--name") -> None:
    """Refuse a name that a card cannot have; `said_by` is the option or argument that has it."""
    from pydantic import ValidationError

    from localai.cards.schema import Card

    try:
        Card(name=name, backend="llama_cpp")
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise click.BadParameter(reason, param_hint=said_by) from error


def suggested_card_name(text: str) -> str:
    """Return what a model is called after its reference."""
    from localai.references import parse_reference
    from localai.store.naming import suggested_name

    return suggested_name(parse_reference(text))


def name_after(reference: Reference) -> str:
    """Return what the model of a reference is called where nobody says.

    A file that Ollama calls by its hash says itself what it is called.
    """
    from localai.cards.importers.describe import describe_file
    from localai.cards.importers.draft import model_name
    from localai.cards.importers.ollama_layers import is_blob_name
    from localai.references import FileReference
    from localai.store.naming import suggested_name

    if isinstance(reference, FileReference) and is_blob_name(reference.path.name):
        called = describe_file(reference.path.expanduser()).name
        return model_name(called) if called else suggested_name(reference)
    return suggested_name(reference)


def refuse_description(reference: Reference, settings: Settings) -> None:
    """Refuse what describes a model and is none, as a Modelfile: more becomes of it elsewhere."""
    from localai.cards.importers.importing import is_description
    from localai.references import FileReference

    if not isinstance(reference, FileReference):
        return
    if is_description(reference.path.expanduser(), backends_of(settings)):
        path, models = shlex.quote(str(reference.path)), shlex.quote(str(settings.models))
        raise click.ClickException(
            f"{reference.path} describes models, and is none: `localai card import {path} "
            f"--output {models}` makes cards of it."
        )


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
