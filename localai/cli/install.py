"""`localai install`: a model of a gallery, by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.cli.gallery_entry import free_memory
from localai.cli.new_cards import check_name
from localai.cli.opening import open_galleries, open_store
from localai.cli.remedies import own_remedies
from localai.cli.settings_options import settings_of, settings_options
from localai.cli.trying import what_to_try
from localai.cli.unusable_folders import naming_the_folder
from localai.settings import Settings, ensure_folders

if TYPE_CHECKING:
    from localai.gallery.entry import Entry


@click.command("install")
@click.argument("name")
@click.option("--name", "called", help="What the model is called; default: as the gallery says")
@click.option("--variant", help="Which of its forms; else the largest that fits this machine")
@click.option("--force", is_flag=True, help="Replace a card that is already there")
@settings_options("models", "store", "backends")
@own_remedies
def install_command(
    name: str,
    called: str | None,
    variant: str | None,
    force: bool,
    config: Path | None,
    **flags: Any,
) -> None:
    """Install the model NAME, or GALLERY@NAME, that `localai search` shows."""
    settings = settings_of(config, flags)
    ensure_folders(settings)
    if called is not None:
        check_name(called)
    with naming_the_folder(settings):
        install_named(settings, name, called=called, variant=variant, replace=force)


def install_named(
    settings: Settings,
    text: str,
    *,
    called: str | None = None,
    variant: str | None = None,
    replace: bool = False,
    again: bool = False,
    trust: bool = False,
) -> None:
    """Install the gallery's model that `text` names, as `called`, and say what happens."""
    from localai.cards.writing import card_file
    from localai.cli.download_bars import download_bars
    from localai.cli.originals import originals_among, set_aside
    from localai.cli.other_cards import refuse_other_cards
    from localai.cli.stored_models import own_cards
    from localai.gallery.chosen_form import chosen_form, form_of
    from localai.gallery.install import install_from
    from localai.gallery.named import entry_named
    from localai.gallery.taken_names import CardPlace, main_reference

    galleries = open_galleries(settings)
    entry = entry_named(galleries, text)
    place = CardPlace(settings.models, own_cards(settings), open_store(settings))
    form = chosen_form(entry, galleries, variant, place=place, name=called)
    if form is not None:
        click.echo(f"note: '{form}' is installed.", err=True)
        entry = form_of(entry, form, galleries)
    if called is not None:
        entry = entry.model_copy(update={"name": called})
    refuse_other_cards(place, entry.name, main_reference(entry), force=replace)
    place.check_can_be_written(entry.name, force=replace)
    for note in _notes(entry):
        click.echo(f"note: {note}", err=True)
    replaced = [card_file(place.models, entry.name)] if replace else []
    originals = originals_among(replaced, settings)
    with set_aside(originals), download_bars() as show:
        installed = install_from(
            place.store,
            entry,
            settings.models,
            replace=replace,
            again=again,
            trust=trust,
            progress=show,
        )
    done = "Wrote" if installed.is_new else "Kept"
    click.echo(f"{done} {installed.card}. Try: {what_to_try(entry.name, entry.capabilities)}")


def _notes(entry: Entry) -> list[str]:
    from localai.gallery.fit import fit

    found = fit(entry, free_memory())
    notes = list(entry.notes)
    if found.fits is False:
        notes.append(f"'{entry.name}' may not run on this machine: it {found.reason}.")
    if entry.licence:
        notes.append(f"its licence is {entry.licence}.")
    return notes
