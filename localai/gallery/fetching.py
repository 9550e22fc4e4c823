"""Texts from the web: galleries, and what describes a model."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localai.gallery.yaml_text import MAX_BYTES
from localai.network.asking import TooLarge, ask_patiently, asked_to_wait, whole
from localai.network.failures import CHECK_THE_NETWORK, reason_of
from localai.network.leaving import Left, answer_unless_left
from localai.network.reach import ANYWHERE, Reach
from localai.network.tls import is_distrust
from localai.store.errors import (
    AccessRefused,
    Cancelled,
    Distrusted,
    FetchFailed,
    NotInRegistry,
    Offline,
    Unreachable,
    WrongFile,
)
from localai.store.hub_cache import is_offline

if TYPE_CHECKING:
    import httpx2

_TIMEOUT = 30.0
"""Seconds without a byte."""
_REDIRECTS = 5
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Expected:
    """What a text should be, which says how long it can be."""

    most_bytes: int
    refusal: str
    """What is said of a longer one."""

    def too_large(self, source: str) -> WrongFile:
        """Return the error for a longer one."""
        size = f"{self.most_bytes >> 20} MiB"
        return WrongFile(f"{source} is larger than {size}: {self.refusal}.")


GALLERY = Expected(MAX_BYTES, "this is no gallery")
DESCRIPTION = Expected(8 << 20, "this describes no model")
"""A card, a configuration or a Modelfile; licences make the last long."""


def fetch_text(
    url: str,
    reach: Reach = ANYWHERE,
    expected: Expected = GALLERY,
    cancel: threading.Event | None = None,
) -> str:
    """Return the text at an http(s) address, which must lie within `reach`.

    Raises FetchFailed for what another attempt may bring, Offline where nobody may be asked,
    WrongFile for what is no such text, PrivateHost for what lies outside, and Cancelled as soon as
    `cancel` is set, however silent the other side is.
    """
    import httpx2

    if is_offline():
        raise Offline(f"{url} is elsewhere, and HF_HUB_OFFLINE forbids to ask for it.")

    def ask() -> httpx2.Response:
        return ask_patiently(lambda: _ask(url, reach, expected.most_bytes), cancel=cancel)

    try:
        return _text_of(answer_unless_left(ask, cancel), url)
    except Left:
        raise Cancelled(f"Asking for {url} was cancelled.") from None
    except TooLarge:
        raise expected.too_large(url) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        said = f"{url} cannot be fetched: {reason_of(error)}."
        if is_distrust(error):
            raise Distrusted(said) from error
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            host = urlsplit(url).netloc.rpartition("@")[2]
            raise Unreachable(said, host=host, advice=CHECK_THE_NETWORK) from error
        raise FetchFailed(said, advice=CHECK_THE_NETWORK) from error


def _ask(url: str, reach: Reach, most_bytes: int) -> httpx2.Response:
    from localai.network.clients import client

    with (
        client(reach, timeout=_TIMEOUT, follow_redirects=True, max_redirects=_REDIRECTS) as asking,
        asking.stream("GET", url) as response,
    ):
        return whole(response, most_bytes)


def _text_of(response: httpx2.Response, url: str) -> str:
    if response.status_code in {404, 410}:
        raise NotInRegistry(f"{url} does not exist: it answered {response.status_code}.")
    if response.status_code in {401, 403}:
        raise AccessRefused(
            f"{url} may not be read from here: it answered {response.status_code}. Name one that "
            "everybody may read, or fetch it yourself and name the file."
        )
    if response.status_code != 200:
        raise FetchFailed(
            f"{url} answered {response.status_code}.", retry_after=asked_to_wait(response)
        )
    if _PAGE.match(response.content):
        raise _web_page(url)
    try:
        return response.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongFile(f"{url} is not UTF-8 text.") from None


def _web_page(url: str) -> FetchFailed | WrongFile:
    """Return the error for an answer that is meant for a browser."""
    parts = urlsplit(url)
    if parts.scheme == "https":  # nobody else can answer in the host's place
        return WrongFile(f"{url} is a web page, not the text itself: name the raw file's address.")
    return FetchFailed(
        f"{url} is a web page, not the text itself, as in a network that wants a login first.",
        advice="Log in to the network with a browser, or name the raw file's address.",
    )
