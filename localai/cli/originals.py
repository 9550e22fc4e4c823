"""YAMLs of LocalAI's where cards are written: kept, under names that nobody reads as cards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from localai.cli.opening import backends_of
from localai.settings import Settings


def originals_among(
    paths: Iterable[Path], settings: Settings, sources: Collection[Path] = ()
) -> list[Path]:
    """Return those of `paths` that hold LocalAI's models, and all `sources`, which do; each once.

    Raises ClickException where one cannot be kept, before anything is done to any.
    """
    from localai.cards.localai_models import models_of_localai

    ours = backends_of(settings)
    there = (path for path in paths if path.is_file() and models_of_localai(path, ours))
    found = [*dict.fromkeys((*there, *sources))]
    for path in found:
        if _kept_as(path).exists():
            raise click.ClickException(f"{_kept_as(path)} is there already: move it away first.")
    return found


@contextmanager
def set_aside(originals: Sequence[Path]) -> Iterator[None]:
    """Give the originals other names, and say so; they come back where their cards do not come."""
    try:
        for path in originals:
            path.rename(_kept_as(path))
        yield
    except BaseException:
        for path in originals:
            if _kept_as(path).exists() and not path.exists():
                _kept_as(path).rename(path)
        raise
    for path in originals:
        click.echo(f"Kept what was there as {_kept_as(path)}.", err=True)


def _kept_as(path: Path) -> Path:
    return path.with_name(f"{path.name}.localai")
