"""`localai say`: have a text spoken."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import click

from localai.amounts import shown_bytes
from localai.cli.client import Gateway, url_option
from localai.cli.outputs import output_option, write_bytes

_FORMATS = {
    ".mp3": "mp3", ".opus": "opus", ".ogg": "opus", ".aac": "aac", ".flac": "flac", ".wav": "wav",
    ".pcm": "pcm",
}  # fmt: skip


@click.command("say")
@click.argument("text", required=False)
@url_option
@output_option("The audio file; its ending tells the format", required=True)
@click.option("--model", help="Which model; the default one else")
@click.option("--voice", help="Who speaks; GET /v1/audio/voices lists all")
@click.option("--speed", type=click.FloatRange(0.25, 4), help="How fast, 1 = as usual")
def say_command(text: str | None, url: str, output: Path, **parameters: str | float | None) -> None:
    """Have TEXT, or what is piped in, spoken into a file."""
    said = text if text is not None else _piped_text()
    body = {name: value for name, value in parameters.items() if value is not None}
    body |= {"input": said, "response_format": _format_of(output)}
    with closing(Gateway(url).stream_bytes("/v1/audio/speech", body)) as audio:
        size = write_bytes(_counted(audio), output)
    click.echo(f"{output}: {shown_bytes(size)}", err=True)


def _piped_text() -> str:
    if sys.stdin.isatty():
        raise click.UsageError("there is no text: give it as an argument, or pipe it in")
    return sys.stdin.read()


def _format_of(output: Path) -> str:
    kind = _FORMATS.get(output.suffix.lower())
    if kind is None:
        raise click.UsageError(f"the file must end in one of {' '.join(_FORMATS)}")
    return kind


def _counted(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on `chunks`; how long the whole will be nobody knows, so what is there is shown."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if sys.stderr.isatty():
            click.echo(f"\rSpeaking {shown_bytes(size)} ", err=True, nl=False)
        yield chunk
    if sys.stderr.isatty():
        click.echo("\r", err=True, nl=False)
