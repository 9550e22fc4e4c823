"""`localai gallery`: where models can be installed from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.cli.failures import FAILED
from localai.cli.hinting_group import HintingGroup
from localai.cli.opening import backends_of, open_galleries
from localai.cli.settings_options import settings_of, settings_options
from localai.cli.tables import render_table
from localai.cli.terminal import printable

if TYPE_CHECKING:
    from localai.cards.resolved import Backends
    from localai.cards.yaml_source import YamlSource
    from localai.gallery.galleries import Galleries
    from localai.gallery.index import Index


@click.group("gallery", cls=HintingGroup)
def gallery_command() -> None:
    """Work with galleries, the lists of models that can be installed by name."""


@gallery_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON")
@settings_options("models", "backends")
def list_galleries(as_json: bool, config: Path | None, **flags: Any) -> None:
    """List all galleries, and what is wrong in them."""
    galleries = open_galleries(settings_of(config, flags))
    indexes = galleries.all()
    sources = _sources(galleries)
    if as_json:
        click.echo(json.dumps([_describe(one, sources) for one in indexes], indent=2))
        return
    headings = ("NAME", "MODELS", "CANNOT RUN", "SOURCE")
    rows = [
        (one.name, str(len(one.entries)), str(len(one.unusable)), sources.get(one.name, "built in"))
        for one in indexes
        if one.is_read or one.name in sources  # the list itself is no gallery
    ]
    click.echo(render_table(headings, rows))
    for problem in (problem for one in indexes if one.is_read for problem in one.problems):
        click.echo(f"wrong: {problem}", err=True)
    for trouble in galleries.troubles():
        click.echo(printable(f"wrong: {trouble}"), err=True)


@gallery_command.command("add")
@click.argument("source")
@click.option("--name", help="What the gallery is called; default: a part of its address")
@settings_options("models", "backends")
def add_gallery(source: str, name: str | None, config: Path | None, **flags: Any) -> None:
    """Add the gallery at SOURCE, an address or a path, in our format or in LocalAI's."""
    from localai.gallery.fetching import fetch_text

    settings = settings_of(config, flags)
    _say_what_came("Added", open_galleries(settings).add(source, fetch_text, name))


@gallery_command.command("update")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@settings_options("models", "backends")
def update_galleries(names: tuple[str, ...], config: Path | None, **flags: Any) -> None:
    """Fetch the galleries NAME again, all without names."""
    from localai.gallery.fetching import fetch_text

    galleries = open_galleries(settings_of(config, flags))
    for name in names or [one.name for one in galleries.added()]:
        _say_what_came("Updated", galleries.update(name, fetch_text))


@gallery_command.command("remove")
@click.argument("name")
@settings_options("models", "backends")
def remove_gallery(name: str, config: Path | None, **flags: Any) -> None:
    """Forget the gallery NAME; what was installed from it stays."""
    open_galleries(settings_of(config, flags)).remove(name)
    click.echo(f"Removed the gallery '{name}'. What was installed from it stays.")


@gallery_command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON")
@settings_options("models", "backends")
def show_entry(name: str, as_json: bool, config: Path | None, **flags: Any) -> None:
    """Show all that a gallery says of the model NAME, or GALLERY@NAME."""
    from localai.cli import gallery_entry

    galleries, free = open_galleries(settings_of(config, flags)), gallery_entry.free_memory()
    found = gallery_entry.find_entry(galleries, name, free)
    if as_json:
        click.echo(json.dumps(gallery_entry.describe_all(found), indent=2))
    else:
        gallery_entry.print_entry(found, galleries.all(), free)


@gallery_command.command("check")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@settings_options("backends")
@click.pass_context
def check_gallery(context: click.Context, /, path: Path, config: Path | None, **flags: Any) -> None:
    """Check the gallery in the file PATH and print everything that is wrong.

    Of one in LocalAI's format the bases are fetched, and it says what of it cannot be run here.
    """
    from localai.gallery.index import index_of
    from localai.gallery.lint import lint
    from localai.gallery.localai_format import is_localai_index
    from localai.gallery.yaml_text import read_file

    backends, content = backends_of(settings_of(config, flags)), read_file(path)
    if is_localai_index(content.data):
        context.exit(_check_theirs(content, path, backends))
    found = lint(index_of(content, path.stem), backends)
    for problem in found.problems:
        click.echo(str(problem))
    if found.hub_hashed:
        names = ", ".join(found.hub_hashed)
        click.echo(f"{path}: {len(found.hub_hashed)} entries take the hub's checksums: {names}")
    if found.sizeless:
        names = ", ".join(found.sizeless)
        click.echo(f"{path}: {len(found.sizeless)} entries have no size: {names}")
    if found.problems:
        context.exit(FAILED)
    click.echo(f"{path}: ok ({found.entries} models)")


def _check_theirs(content: YamlSource, path: Path, backends: Backends) -> int:
    """Print what is wrong in an index of LocalAI's, and return the exit code."""
    from localai.gallery.fetching import fetch_text
    from localai.gallery.lint import lost_variants
    from localai.gallery.localai_format import TRY_AGAIN, read_localai_index

    index = read_localai_index(content, path.stem, fetch_text, backends)
    lost = [one for one in index.unusable.values() if one.unfetched]
    problems = [*index.problems, *lost_variants(index)]
    for problem in problems:
        click.echo(str(problem))
    for one in index.unusable.values():
        # Only a gallery that was added can be updated.
        click.echo(f"{path}: {one.name}: {one.reason.removesuffix(TRY_AGAIN)}")
    if problems or lost:
        return FAILED
    click.echo(f"{path}: ok ({len(index.entries)} models)")
    return 0


def _say_what_came(done: str, index: Index) -> None:
    click.echo(f"{done} the gallery '{index.name}': {len(index.entries)} models can be installed.")
    unfetched = sum(one.unfetched for one in index.unusable.values())
    if cannot := len(index.unusable) - unfetched:
        click.echo(f"{cannot} cannot be run here; `localai search` says why of each.")
    if unfetched:
        click.echo(
            f"{unfetched} could not be fetched: `localai gallery update {index.name}` tries again.",
            err=True,
        )
    for problem in index.problems:
        click.echo(f"wrong: {problem}", err=True)


def _sources(galleries: Galleries) -> dict[str, str]:
    """Return where each gallery comes from, of those that the list tells where it can be read."""
    from localai.errors import CardError

    try:
        return {one.name: one.source for one in galleries.added()}
    except CardError:
        return {}  # it is among the troubles


def _describe(index: Index, sources: dict[str, str]) -> dict[str, Any]:
    return {
        "name": index.name,
        "source": sources.get(index.name),
        "description": index.description,
        "models": len(index.entries),
        "unusable": len(index.unusable),
        "problems": [str(problem) for problem in index.problems],
    }
