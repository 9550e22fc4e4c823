"""`localai draw`: have pictures drawn."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from localai.amounts import shown_bytes
from localai.cli.client import Gateway, GatewayRefused, url_option
from localai.cli.outputs import output_option, write_bytes
from localai.cli.progress import Advance, progress_bar

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_PROGRESS = re.compile(r"progress (\d+)/(\d+)")


@click.command("draw")
@click.argument("prompt")
@url_option
@output_option("The picture's file; its ending tells the format", required=True)
@click.option("--model", help="Which model; the default one else")
@click.option("--size", help="Width and height in pixels, as 512x512")
@click.option("--quality", type=click.Choice(["low", "medium", "high"]), help="More takes longer")
@click.option("--steps", type=click.IntRange(1, 200), help="Steps, instead of a quality")
@click.option("--seed", type=click.IntRange(min=0), help="The same seed draws the same picture")
@click.option("--negative-prompt", help="What the picture should not show")
def draw_command(prompt: str, url: str, output: Path, **parameters: Any) -> None:
    """Draw what PROMPT says into a file."""
    kind = _FORMATS.get(output.suffix.lower())
    if kind is None:
        raise click.UsageError(f"the file must end in one of {' '.join(_FORMATS)}")
    body = {name: value for name, value in parameters.items() if value is not None}
    body |= {"prompt": prompt, "output_format": kind, "stream": True}
    picture = b""
    with progress_bar("Drawing") as advance:
        for picture in _pictures(Gateway(url), body, advance):
            write_bytes([picture], output)  # at once: a stream may still break off behind it
    if not picture:
        raise GatewayRefused("The gateway sent no picture.")
    click.echo(f"{output}: {shown_bytes(len(picture))}", err=True)


def _pictures(gateway: Gateway, body: dict[str, Any], advance: Advance) -> Iterator[bytes]:
    for event in gateway.stream_events("/v1/images/generations", body=body):
        if found := _PROGRESS.fullmatch(event.comment):
            advance(int(found[1]), int(found[2]))
        elif event.data.get("type") == "image_generation.completed":
            yield base64.b64decode(event.data["b64_json"])
