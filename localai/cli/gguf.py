"""Refuses, in words, what is no GGUF model before it is used or kept."""

from __future__ import annotations

from pathlib import Path

import click

from localai.cards.importers.first_bytes import GGUF_MAGIC, HEAD, name_format

__all__ = ["HEAD", "check_file", "check_head"]


def check_head(head: bytes, name: str) -> None:
    """Refuse, in words, the first bytes of a file that is no GGUF model."""
    if not head.startswith(GGUF_MAGIC):
        raise click.ClickException(f"{name} is not a GGUF model: it is {name_format(head)}.")


def check_file(path: Path) -> None:
    """Refuse, in words, a file that is no GGUF model."""
    if path.is_dir():
        raise click.ClickException(f"{path} is a folder: give the .gguf file in it.")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError as error:
        raise click.ClickException(f"{path} does not exist.") from error
    check_head(head, str(path))
