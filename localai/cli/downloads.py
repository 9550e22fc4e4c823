"""A model's file from a URL into a folder: checked, and there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from localai.cli.gguf import HEAD, check_head
from localai.cli.tables import render_bytes

if TYPE_CHECKING:
    import httpx2

_CHUNK = 1 << 20


def download(url: str, target: Path, sha256: str | None) -> None:
    """Fetch the GGUF file at `url` to `target`."""
    with _response(url) as response, _part_of(target) as part:
        size = _announced_size(response)
        _check_space(target.parent, size)
        check_digest(url, _store(response, part, size), sha256)
        part.flush()
        os.fsync(part.fileno())
        os.replace(part.name, target)


def check_digest(name: str, digest: str, expected: str | None) -> None:
    """Refuse a file whose sha256 is not the expected one, where one is."""
    if expected is not None and digest != expected.lower():
        raise click.ClickException(f"{name} has the sha256 {digest}, not the expected one.")


def file_name(url: str) -> str:
    """Return the last part of the URL's path, which must be a .gguf file."""
    name = Path(unquote(urlsplit(url).path)).name
    if not name.lower().endswith(".gguf") or name.startswith("."):
        raise click.ClickException(f"{url} does not name a .gguf file.")
    return name


@contextmanager
def _response(url: str) -> Iterator[httpx2.Response]:
    import httpx2

    timeout = httpx2.Timeout(30)
    try:
        with httpx2.stream("GET", url, follow_redirects=True, timeout=timeout) as response:
            if response.status_code != 200:
                raise click.ClickException(f"{url} answered {response.status_code}.")
            if response.headers.get("content-type", "").startswith("text/html"):
                raise click.ClickException(f"{url} is a web page, not a model file.")
            yield response
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise click.ClickException(f"{url} cannot be fetched: {reason}.") from error


@contextmanager
def _part_of(target: Path) -> Iterator[IO[bytes]]:
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False
    ) as part:
        try:
            yield part
        finally:
            Path(part.name).unlink(missing_ok=True)


def _announced_size(response: httpx2.Response) -> int | None:
    # The length of a compressed transfer says nothing about the file.
    if "content-encoding" in response.headers:
        return None
    length = response.headers.get("content-length", "")
    return int(length) if length.isdigit() else None


def _check_space(folder: Path, size: int | None) -> None:
    free = shutil.disk_usage(folder).free
    if size is not None and size > free:
        raise click.ClickException(
            f"The file has {render_bytes(size)}, but {folder} has only {render_bytes(free)} free."
        )


def _store(response: httpx2.Response, part: IO[bytes], size: int | None) -> str:
    """Write the body and return its sha256; the first bytes must be a model's."""
    digest, written = hashlib.sha256(), 0
    name = str(response.url)
    with click.progressbar(length=size or 0, label=Path(name).name, file=sys.stderr) as bar:
        for chunk in response.iter_bytes(_CHUNK):
            if not written:
                check_head(chunk[:HEAD], name)
            part.write(chunk)
            digest.update(chunk)
            written += len(chunk)
            bar.update(len(chunk))
    if not written:
        check_head(b"", name)
    return digest.hexdigest()
