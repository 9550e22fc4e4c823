"""`localai embed`: turn texts into vectors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from localai.cli.client import Gateway, url_option
from localai.cli.outputs import output_option, write_pieces
from localai.cli.progress import progress_bar

_AT_ONCE = 64
"""Texts in one call, so that a long list shows progress."""


@click.command("embed")
@click.argument("texts", metavar="TEXT...", nargs=-1)
@url_option
@output_option("Where the vectors go, instead of the terminal")
@click.option("--model", help="Which model; the default one else")
@click.option("--dimensions", type=click.IntRange(min=1), help="Shorter vectors")
def embed_command(texts: tuple[str, ...], url: str, output: Path | None, **parameters: Any) -> None:
    """Turn each TEXT, or each line that is piped in, into a vector: a JSON list a line."""
    asked = list(texts) or _piped_lines()
    body = {name: value for name, value in parameters.items() if value is not None}
    write_pieces(_lines(Gateway(url), body, asked), output)


def _lines(gateway: Gateway, body: dict[str, Any], asked: Sequence[str]) -> Iterator[str]:
    with progress_bar("Embedding") as advance:
        for start in range(0, len(asked), _AT_ONCE):
            for vector in _embed(gateway, body, asked[start : start + _AT_ONCE]):
                yield f"{json.dumps(vector)}\n"
            advance(start + _AT_ONCE, len(asked))


def _piped_lines() -> list[str]:
    if sys.stdin.isatty():
        raise click.UsageError("there is no text: give it as an argument, or pipe lines in")
    lines = [line.strip() for line in sys.stdin if line.strip()]
    if not lines:
        raise click.UsageError("there is no text in what was piped in")
    return lines


def _embed(gateway: Gateway, body: dict[str, Any], texts: Sequence[str]) -> list[list[float]]:
    answer = gateway.post("/v1/embeddings", {**body, "input": texts, "encoding_format": "float"})
    return [item["embedding"] for item in answer["data"]]
