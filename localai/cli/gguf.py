"""What the first bytes of a file say about its being a GGUF model."""

from __future__ import annotations

from pathlib import Path

import click

MAGIC = b"GGUF"
HEAD = 64
"""Bytes that are enough to tell."""

_OTHERS = {
    b"version https://git-lfs": "a Git LFS pointer: fetch the real file with `git lfs pull`",
    b"PK\x03\x04": "a zip archive, perhaps a PyTorch checkpoint",
    b"lmgg": "a model in the old GGML format, which llama.cpp no longer reads",
    b"tjgg": "a model in the old GGJT format, which llama.cpp no longer reads",
    b"fmgg": "a model in the old GGMF format, which llama.cpp no longer reads",
}


def check_head(head: bytes, name: str) -> None:
    """Refuse, in words, the first bytes of a file that is no GGUF model."""
    if head.startswith(MAGIC):
        return
    raise click.ClickException(f"{name} is not a GGUF model: it is {_describe(head)}.")


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


def _describe(head: bytes) -> str:
    if not head:
        return "empty"
    for start, what in _OTHERS.items():
        if head.startswith(start):
            return what
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page"
    if head[8:10] == b'{"':
        return "a safetensors file: convert it to GGUF first"
    return f"something else, as it starts with {head[:4]!r}"
