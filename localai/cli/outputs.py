"""Where the result of a command goes: a file, or the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from localai.cli.terminal import printable

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def output_option(text: str, *, required: bool = False) -> Callable[[_Decorated], _Decorated]:
    """Add `-o FILE` to a command."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        required=required,
        help=text,
    )


def write_text(text: str, output: Path | None) -> None:
    """Write `text` to the file, or else to standard output."""
    if output is not None:
        output.write_text(text, "utf-8")
        return
    click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)


def write_bytes(chunks: Iterable[bytes], output: Path) -> int:
    """Write all chunks to the file and return how many bytes; a broken file is removed."""
    unfinished = output.with_name(f".{output.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            size = sum(file.write(chunk) for chunk in chunks)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return size
