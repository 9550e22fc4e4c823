"""`localai install`: a model of a gallery, by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.cli.gallery import open_galleries
from localai.cli.search import free_memory
from localai.cli.settings_options import settings_of, settings_options
from localai.protocol.capabilities import Capability
from localai.settings import ensure_folders

if TYPE_CHECKING:
    from localai.gallery.entry import Entry

_TRY = {
    Capability.CHAT: "localai chat {name}",
    Capability.SPEECH: "localai say --model {name} 'Good morning.'",
    Capability.TRANSCRIPTION: "localai transcribe --model {name} FILE",
    Capability.IMAGE: "localai draw --model {name} 'a red circle'",
    Capability.EMBEDDING: "localai embed --model {name} 'Good morning.'",
}


@click.command("install")
@click.argument("name")
@click.option("--force", is_flag=True, help="Replace a card that is already there")
@settings_options("models", "store", "backends")
def install_command(name: str, force: bool, config: Path | None, **flags: Any) -> None:
    """Install the model NAME, or GALLERY@NAME, that `localai search` shows."""
    from localai.cli.download_bars import download_bars
    from localai.gallery.install import install_from
    from localai.store.store import Store

    settings = settings_of(config, flags)
    ensure_folders(settings)
    entry = open_galleries(settings).find(name)
    for note in _notes(entry):
        click.echo(f"note: {note}", err=True)
    with download_bars() as show:
        target = install_from(
            Store(settings.store), entry, settings.models, replace=force, progress=show
        )
    click.echo(f"Wrote {target}.{_what_to_try(entry)}")


def _notes(entry: Entry) -> list[str]:
    from localai.gallery.fit import fit

    found = fit(entry, free_memory())
    notes = list(entry.notes)
    if found.fits is False:
        notes.append(f"'{entry.name}' may not run on this machine: it {found.reason}.")
    if entry.licence:
        notes.append(f"its licence is {entry.licence}.")
    return notes


def _what_to_try(entry: Entry) -> str:
    for capability, example in _TRY.items():
        if capability in entry.capabilities:
            return f" Try: {example.format(name=entry.name)}"
    return ""
