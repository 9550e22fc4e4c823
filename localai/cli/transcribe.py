"""`localai transcribe`: write down what is said in an audio file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from localai.cli.client import Gateway, url_option
from localai.cli.outputs import output_option, write_pieces, write_text
from localai.cli.progress import progress_bar

_STREAMED = "text"


@click.command("transcribe")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@url_option
@output_option("Where the text goes, instead of the terminal")
@click.option("--model", help="Which model; the default one else")
@click.option(
    "--format",
    "response_format",
    type=click.Choice([_STREAMED, "srt", "vtt", "json", "verbose_json"]),
    default=_STREAMED,
    show_default=True,
    help="What is written",
)
@click.option("--language", help="The language that is spoken, as en or fr; else it is detected")
@click.option("--prompt", help="Names and words to expect")
@click.option("--translate", is_flag=True, help="Write it down in English")
def transcribe_command(
    file: Path,
    url: str,
    output: Path | None,
    response_format: str,
    translate: bool,
    **parameters: str | None,
) -> None:
    """Write down what is said in FILE, any audio or video file."""
    path = "/v1/audio/translations" if translate else "/v1/audio/transcriptions"
    fields = {name: value for name, value in parameters.items() if value is not None}
    fields["response_format"] = response_format
    gateway = Gateway(url)
    if response_format == _STREAMED and not translate:
        write_pieces(_stream(gateway, path, fields, file), output)
    else:
        write_text(gateway.upload(path, fields, file), output)


def _stream(gateway: Gateway, path: str, fields: dict[str, str], file: Path) -> Iterator[str]:
    """Yield the text; shows how much of the audio is done, which a stream alone can tell."""
    with progress_bar("Transcribing") as advance:
        asked = {**fields, "response_format": "json", "stream": "true"}
        for event in gateway.stream_events(path, fields=asked, file=file):
            if event.data.get("type") == "transcript.text.delta":
                yield event.data["delta"]
                advance(event.data.get("end", 0), event.data.get("duration", 0))
        advance(1, 1)
    yield "\n"  # silence is a text too
