"""`localai search`: models that can be installed, and whether they fit this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.cli.gallery_entry import describe_all, free_memory, shown_name, shown_size
from localai.cli.opening import open_galleries
from localai.cli.settings_options import settings_of, settings_options
from localai.cli.tables import render_table
from localai.cli.terminal import printable
from localai.protocol.capabilities import Capability

if TYPE_CHECKING:
    from localai.gallery.search import Found

_HEADINGS = ("NAME", "SIZE", "LICENCE", "FITS", "DESCRIPTION")
_LONGEST = 100
_FITS = {True: "yes", False: "no", None: "?"}


@click.command("search")
@click.argument("words", nargs=-1)
@click.option(
    "--capability",
    type=click.Choice([one.value for one in Capability]),
    help="Only models that can do this",
)
@click.option("--fits", is_flag=True, help="Only models that fit this machine")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that is known")
@settings_options("models", "backends")
def search_command(
    words: tuple[str, ...],
    capability: str | None,
    fits: bool,
    as_json: bool,
    config: Path | None,
    **flags: Any,
) -> None:
    """Look for models with all WORDS in their name, tags or description."""
    from localai.gallery.search import search

    settings = settings_of(config, flags)
    galleries = open_galleries(settings)
    for trouble in galleries.troubles():
        click.echo(printable(f"Warning: {trouble}"), err=True)
    found = search(
        galleries.all(),
        " ".join(words),
        free=free_memory(),
        capability=Capability(capability) if capability else None,
        fits_only=fits,
    )
    if as_json:
        click.echo(json.dumps([describe_all(one) for one in found], indent=2))
    elif not found:
        raise click.ClickException("No gallery has such a model: try fewer words.")
    else:
        click.echo(render_table(_HEADINGS, [_row(one) for one in found]))


def _row(found: Found) -> tuple[str, ...]:
    return (
        shown_name(found),
        shown_size(found),
        found.model.licence or "-",
        _FITS[found.fit.fits],
        _short(found.model.description if found.fit.fits is not False else found.fit.reason),
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3].rstrip() + "..."
