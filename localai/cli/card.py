"""`localai card check`, `localai card schema` and `localai card import`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from localai.cli.failures import FAILED
from localai.cli.terminal import printable

if TYPE_CHECKING:
    from localai.cards.importers.imported import Imported
    from localai.cards.problems import Problem
    from localai.cards.reading import CheckedCard
    from localai.cards.resolved import Backends

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@click.group("card")
def card_command() -> None:
    """Work with model cards."""


@card_command.command("check")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH...",
)
@click.pass_context
def check_cards(context: click.Context, paths: tuple[Path, ...]) -> None:
    """Check the cards at PATH, files or folders, and print everything that is wrong."""
    from localai.cards.reading import check_card

    backends = _backends()
    checked = [check_card(path, backends) for path in _files(paths)]
    if not checked:
        raise click.UsageError("there is no card (*.yaml, *.yml) in these folders")
    found_problems = [_report(one) for one in checked]
    for clash in _clashes(checked):
        click.echo(f"{clash.path}: warning: {clash.message}")
    if any(found_problems):
        context.exit(FAILED)


@card_command.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of a card, for editors."""
    from localai.cards.json_schema import card_schema

    click.echo(json.dumps(card_schema(_backends()), indent=2))


@card_command.command("import")
@click.argument("source")
@click.option("--name", help="What the model is called; default: as its source says")
@click.option(
    "--output",
    default="-",
    metavar="FILE",
    help="Where the card is written: a file, a folder (NAME.yaml in it), or - for here",
)
@click.option("--force", is_flag=True, help="Replace a card that is already there")
def import_source(source: str, name: str | None, output: str, force: bool) -> None:
    """Make a card of SOURCE: LocalAI's YAML, an Ollama Modelfile, a model's file or folder.

    What could not be taken over is said on stderr, a line each.
    """
    from localai.cards.importers.importing import import_cards

    imported = import_cards(_local_source(source), _backends(), name=name)
    if output == "-":
        click.echo("---\n".join(_card_text(one) for one in imported), nl=False)
    else:
        _write_all(imported, Path(output), force)
    for one in imported:
        prefix = f"{one.card['name']}: " if len(imported) > 1 else ""
        for note in (one.backend_reason, *one.notes):
            click.echo(printable(prefix + note), err=True)


def _local_source(source: str) -> Path:
    """Return the path that SOURCE names on this machine."""
    if source.lower().startswith("file:"):
        return Path(unquote(urlsplit(source).path))
    path = Path(source).expanduser()
    if not path.exists():
        what = "is nothing on this machine" if _SCHEME.match(source) else "does not exist"
        raise click.ClickException(
            f"{source} {what}: give a file or folder. What lies elsewhere is fetched by "
            "`localai pull` first."
        )
    return path


def _card_text(imported: Imported) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as such, so that templates can be read."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(imported.card, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=2**31)


def _write_all(imported: Sequence[Imported], output: Path, force: bool) -> None:
    if len(imported) > 1 and not output.is_dir():
        names = ", ".join(one.card["name"] for one in imported)
        raise click.ClickException(
            f"There are several models ({names}): give a folder that is there as --output."
        )
    targets = [_target(output, one) for one in imported]
    # All or nothing: a card is refused before the first one is written.
    for target in targets:
        if target.exists() and not force:
            raise click.ClickException(f"{target} is already there: replace it with --force.")
    for target, one in zip(targets, imported, strict=True):
        part = target.with_name(f".{target.name}.part")
        part.write_text(_card_text(one), "utf-8")
        os.replace(part, target)
        click.echo(f"Wrote {target}.", err=True)


def _target(output: Path, imported: Imported) -> Path:
    name = re.sub("[/:]", "-", imported.card["name"])
    return output / f"{name}.yaml" if output.is_dir() else output


def _backends() -> Backends:
    from localai.protocol.manifest import read_manifests
    from localai.settings import backend_folders, load_settings

    return read_manifests(*backend_folders(load_settings()))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    from localai.cards.catalog import card_files

    for path in paths:
        yield from card_files(path) if path.is_dir() else [path]


def _report(checked: CheckedCard) -> bool:
    """Print what is wrong with one card, or `ok`; return whether something is."""
    problems = [*checked.problems, *_missing_model(checked)]
    for problem in problems:
        click.echo(str(problem))
    if not problems and checked.resolved is not None:
        click.echo(f"{checked.path}: ok ({checked.resolved.name})")
    return bool(problems)


def _missing_model(checked: CheckedCard) -> Iterator[Problem]:
    from localai.cards.model_files import resolve_model_path
    from localai.cards.problems import Problem
    from localai.errors import LoadFailed

    if checked.resolved is None:
        return
    try:
        resolve_model_path(checked.resolved)
    except LoadFailed as failure:
        yield Problem(checked.path, checked.text.line_of(("model",)), failure.message)


def _clashes(checked: Sequence[CheckedCard]) -> Sequence[Problem]:
    from localai.cards.index import build_index

    return build_index([[one.resolved for one in checked if one.resolved]], {}).clashes
