"""The text of a gallery, from the web or from this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.gallery.yaml_text import MAX_BYTES
from localai.store.errors import FetchFailed, NotInRegistry

if TYPE_CHECKING:
    import httpx2

_TIMEOUT = 30.0
"""Seconds without a byte."""
_REDIRECTS = 5


def fetch_text(url: str) -> str:
    """Return the text at an http(s) address of at most 32 MiB; raises FetchFailed."""
    import httpx2

    try:
        with (
            httpx2.Client(
                timeout=_TIMEOUT, follow_redirects=True, max_redirects=_REDIRECTS
            ) as client,
            client.stream("GET", url) as response,
        ):
            return _text_of(response, url)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise FetchFailed(f"{url} cannot be fetched: {reason}.") from error


def _text_of(response: httpx2.Response, url: str) -> str:
    if response.status_code in {404, 410}:
        raise NotInRegistry(f"{url} does not exist: it answered {response.status_code}.")
    if response.status_code != 200:
        raise FetchFailed(f"{url} answered {response.status_code}.")
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            raise FetchFailed(f"{url} is larger than {MAX_BYTES >> 20} MiB: this is no gallery.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FetchFailed(f"{url} is not UTF-8 text.") from None
