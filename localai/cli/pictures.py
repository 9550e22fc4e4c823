"""Pictures on the command line: files and addresses."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path

import click

from localai.cli.terminal import printable

_ADDRESSES = ("http://", "https://", "data:")


def picture_url(reference: str) -> str:
    """Return an address as it is, and a file as a data URI."""
    if reference.lower().startswith(_ADDRESSES):
        return reference
    path = Path(reference).expanduser()
    if not path.is_file():
        raise click.UsageError(f"there is no picture {printable(reference)}")
    kind = mimetypes.guess_type(path.name)[0] or "image/png"  # the gateway looks at the bytes
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
