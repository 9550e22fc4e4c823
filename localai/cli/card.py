"""`localai card check` and `localai card schema`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localai.cli.failures import FAILED

if TYPE_CHECKING:
    from localai.cards.problems import Problem
    from localai.cards.reading import CheckedCard
    from localai.cards.resolved import Backends


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
