"""`localai card check`, `localai card schema` and `localai card import`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.cards.writing import AnotherCard, card_file, card_text, read_content, write_card
from localai.cli.failures import FAILED
from localai.cli.hinting_group import HintingGroup
from localai.cli.opening import backends_of, open_galleries, open_store
from localai.cli.originals import originals_among, set_aside
from localai.cli.remedies import own_remedies
from localai.cli.settings_options import settings_of, settings_options
from localai.cli.terminal import printable
from localai.files import place_of

if TYPE_CHECKING:
    from localai.cards.importers.imported import Imported
    from localai.cards.problems import Problem
    from localai.cards.reading import CheckedCard
    from localai.cards.resolved import Locate, Meaning, ResolvedCard
    from localai.settings import Settings


@click.group("card", cls=HintingGroup)
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
@settings_options("store", "backends")
@click.pass_context
def check_cards(
    context: click.Context, /, paths: tuple[Path, ...], config: Path | None, **flags: Any
) -> None:
    """Check the cards at PATH, files or folders, and print everything that is wrong."""
    from localai.cards.reading import check_card

    settings = settings_of(config, flags)
    backends = backends_of(settings)
    checked = [check_card(path, backends) for path in _files(paths)]
    if not checked:
        raise click.UsageError("there is no card (*.yaml, *.yml) in these folders")
    found_problems = [_report(one, settings) for one in checked]
    for clash in _clashes(checked):
        click.echo(f"{clash.path}: warning: {clash.message}")
    if any(found_problems):
        context.exit(FAILED)


@card_command.command("schema")
@settings_options("backends")
def print_schema(config: Path | None, **flags: Any) -> None:
    """Print the JSON Schema of a card, for editors."""
    from localai.cards.json_schema import card_schema

    click.echo(json.dumps(card_schema(backends_of(settings_of(config, flags))), indent=2))


@card_command.command("import")
@click.argument("source")
@click.option("--name", help="What the model is called; default: as its source says")
@click.option(
    "--output",
    default="-",
    metavar="FILE",
    help="Where the card is written: a file, a folder/ (NAME.yaml in it), or - for here",
)
@click.option("--force", is_flag=True, help="Replace a card that is already there")
@settings_options("models", "store", "backends")
@own_remedies
def import_source(
    source: str,
    name: str | None,
    output: str,
    force: bool,
    config: Path | None,
    **flags: Any,
) -> None:
    """Make a card of SOURCE: LocalAI's YAML or a folder of them, a Modelfile, a model's own file.

    SOURCE is a path, the address of a YAML or Modelfile (https://, github:org/repo/path,
    hf://org/repo/path), or a model as `localai pull` takes it, which is pulled. What could not be
    taken over is said on stderr, a line each.
    """
    settings = settings_of(config, flags)
    imported = _cards_of(source, name, settings)
    if output == "-":
        click.echo("---\n".join(card_text(one.card) for one in imported), nl=False)
    else:
        _write_all(imported, _output_of(output), settings, force)
    for one in imported:
        prefix = f"{one.card['name']}: " if len(imported) > 1 else ""
        for note in (one.backend_reason, *one.notes):
            click.echo(printable(prefix + note), err=True)


def _cards_of(source: str, name: str | None, settings: Settings) -> list[Imported]:
    from localai.cli.checked_cards import cards_called
    from localai.cli.download_bars import download_bars
    from localai.gallery.card_sources import CardSources

    store, galleries = open_store(settings), open_galleries(settings)
    with download_bars() as show:
        sources = CardSources(store, galleries, backends_of(settings), show, cards_called(settings))
        return sources.cards_of(source, name)


def _output_of(text: str) -> Path:
    """Return the file or folder that is meant; one with a slash at its end is a folder to make."""
    output = Path(text)
    if text.endswith("/"):
        output.mkdir(parents=True, exist_ok=True)
    return output


def _write_all(imported: Sequence[Imported], output: Path, settings: Settings, force: bool) -> None:
    if len(imported) > 1 and not output.is_dir():
        names = ", ".join(one.card["name"] for one in imported)
        raise click.ClickException(
            f"There are several models ({names}): give a folder, as models/, as --output."
        )
    targets = [_target(output, one) for one in imported]
    sources = _sources_in(output, imported)
    # All or nothing: what is refused is refused before anything is written.
    for target, one in zip(targets, imported, strict=True):
        is_taken = target.exists() and place_of(target) not in sources
        if is_taken and not force and read_content(target) != one.card:
            raise AnotherCard(target)
    with set_aside(originals_among(map(place_of, targets), settings, sources)):
        for target, one in zip(targets, imported, strict=True):
            wrote = write_card(target, one.card, "replace" if force else "refuse")
            click.echo(f"{'Wrote' if wrote else 'Kept'} {target}.", err=True)


def _sources_in(output: Path, imported: Sequence[Imported]) -> list[Path]:
    """Return what the cards were made of, as far as it lies among them and would be read as one."""
    from localai.cards.catalog import card_files

    sources = {place_of(source) for one in imported for source in one.sources}
    files = card_files(output) if output.is_dir() else []
    return [path for path in map(place_of, files) if path in sources]


def _target(output: Path, imported: Imported) -> Path:
    return card_file(output, imported.card["name"]) if output.is_dir() else output


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    from localai.cards.catalog import card_files

    for path in paths:
        yield from card_files(path) if path.is_dir() else [path]


def _report(checked: CheckedCard, settings: Settings) -> bool:
    """Print what is wrong with one card, or `ok`; return whether something is."""
    problems = [*checked.problems, *_missing_files(checked, settings)]
    for problem in problems:
        click.echo(str(problem))
    if not problems and checked.resolved is not None:
        missing = ", ".join(_unfetched(checked.resolved, settings))
        remark = f"; not fetched yet: {missing}" if missing else ""
        click.echo(f"{checked.path}: ok ({checked.resolved.name}){remark}")
    return bool(problems)


def _missing_files(checked: CheckedCard, settings: Settings) -> Iterator[Problem]:
    """Yield what is not there of the model and the files that options name.

    What lies elsewhere is fetched when it is wanted: that it is not here yet is no mistake.
    """
    from localai.cards.model_files import resolve_option_paths, safe_model_path
    from localai.cards.problems import Problem
    from localai.errors import LoadFailed

    if checked.resolved is None:
        return
    card = replace(checked.resolved, locate=_as_if_fetched(checked.resolved, settings))
    for key, look in (("model", safe_model_path), ("options", resolve_option_paths)):
        try:
            look(card)
        except LoadFailed as failure:
            # What a listed archive holds shows when it is here.
            if not (card.card.files and _unfetched(card, settings)):
                line = checked.text.line_of((key,))
                yield Problem(checked.path, line, failure.message)


def _as_if_fetched(card: ResolvedCard, settings: Settings) -> Locate:
    """Return what finds any model that lies elsewhere; the card's file stands for those missing."""
    from localai.cli.whereabouts import locator_of

    return _AsIfFetched(locator_of(settings), card.path)


@dataclass(frozen=True)
class _AsIfFetched:
    locate: Locate
    stand_in: Path

    def __call__(self, reference: str, sha256: str | None = None, /) -> Path:
        return self.locate(reference, sha256) or self.stand_in

    def meaning(self, text: str, /) -> Meaning | None:
        return self.locate.meaning(text)

    def damaged(self, path: Path, /) -> str | None:
        return self.locate.damaged(path)


def _unfetched(card: ResolvedCard, settings: Settings) -> list[str]:
    """Return what of a card's model lies elsewhere and is not on this machine yet."""
    from localai.cards.model_files import missing_references
    from localai.cli.whereabouts import locator_of

    return [*missing_references(replace(card, locate=locator_of(settings)))]


def _clashes(checked: Sequence[CheckedCard]) -> Sequence[Problem]:
    from localai.cards.index import build_index

    return build_index([[one.resolved for one in checked if one.resolved]], {}).clashes
