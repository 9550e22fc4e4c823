"""The text of a gallery, from the web or from this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localai.gallery.yaml_text import MAX_BYTES
from localai.network.asking import TooLarge, ask_patiently, asked_to_wait, whole
from localai.network.reach import ANYWHERE, Reach
from localai.store.errors import FetchFailed, NotInRegistry, Unreachable

if TYPE_CHECKING:
    import httpx2

_TIMEOUT = 30.0
"""Seconds without a byte."""
_REDIRECTS = 5


def fetch_text(url: str, reach: Reach = ANYWHERE) -> str:
    """Return the text at an http(s) address of at most 32 MiB, which must lie within `reach`.

    Raises FetchFailed, PrivateHost for what lies outside.
    """
    import httpx2

    try:
        return _text_of(ask_patiently(lambda: _ask(url, reach)), url)
    except TooLarge:
        message = f"{url} is larger than {MAX_BYTES >> 20} MiB: this is no gallery."
        raise FetchFailed(message) from None
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        reason = str(error) or type(error).__name__
        host = urlsplit(url).netloc.rpartition("@")[2]
        raise Unreachable(f"{url} cannot be fetched: {reason}.", host=host) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise FetchFailed(f"{url} cannot be fetched: {reason}.") from error


def _ask(url: str, reach: Reach) -> httpx2.Response:
    from localai.network.clients import client

    with (
        client(reach, timeout=_TIMEOUT, follow_redirects=True, max_redirects=_REDIRECTS) as asking,
        asking.stream("GET", url) as response,
    ):
        return whole(response, MAX_BYTES)


def _text_of(response: httpx2.Response, url: str) -> str:
    if response.status_code in {404, 410}:
        raise NotInRegistry(f"{url} does not exist: it answered {response.status_code}.")
    if response.status_code != 200:
        raise FetchFailed(
            f"{url} answered {response.status_code}.", retry_after=asked_to_wait(response)
        )
    try:
        return response.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FetchFailed(f"{url} is not UTF-8 text.") from None
