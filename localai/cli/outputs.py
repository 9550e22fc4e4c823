"""Where the result of a command goes: a file, or the terminal."""

from __future__ import annotations

import io
import os
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
        type=click.Path(dir_okay=False, writable=True, path_type=Path),
        callback=_check_folder,
        required=required,
        help=text,
    )


def _check_folder(
    context: click.Context, option: click.Parameter, output: Path | None
) -> Path | None:
    """Refuse a file that cannot be written, before anything is computed for it."""
    if output is None or output.exists():
        return output
    folder = output.parent
    if not folder.is_dir():
        raise click.BadParameter(f"the folder {folder} does not exist", context, option)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise click.BadParameter(f"the folder {folder} is not writable", context, option)
    return output


def write_text(text: str, output: Path | None) -> None:
    """Write `text` to the file, or else to standard output."""
    if output is not None:
        output.write_text(text, "utf-8")
        return
    click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)


def write_pieces(pieces: Iterable[str], output: Path | None) -> None:
    """Write all pieces as one text; where they break off, what came until then."""
    text = io.StringIO()
    try:
        for piece in pieces:
            text.write(piece)
    finally:
        if came := text.getvalue():
            write_text(came.strip() + "\n", output)


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
