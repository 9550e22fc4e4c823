"""Where the bytes of one file come from: redirects, credentials, ranges, and what answers mean."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localai import __version__
from localai.network.asking import BUSY, asked_to_wait
from localai.network.failures import reason_of
from localai.network.leaving import begin
from localai.network.tls import is_distrust
from localai.store.artifact import RemoteFile
from localai.store.errors import (
    AccessRefused,
    Distrusted,
    FetchFailed,
    NotInRegistry,
    WrongFile,
    gated,
)
from localai.store.ranges import Span

if TYPE_CHECKING:
    import httpx2

MOST_REDIRECTS = 10
_EXPIRED = frozenset({400, 401, 403, 404, 410})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class TryAgain(Exception):
    """A failure that may pass: a cut line, a silent or a busy server.

    `after` is what the server asked to wait, in seconds; `reached` tells whether it said a word.
    """

    def __init__(self, reason: str, after: float | None = None, reached: bool = True) -> None:
        super().__init__(reason)
        self.after = after
        self.reached = reached


class Changed(Exception):
    """The file at the source is no longer the one that was begun."""


@dataclass(frozen=True)
class Answer:
    """A body that begins at `start`; `size` is the whole file's, None where it is not told.

    `whole` tells that the server sends all of it, however little was asked for.
    """

    response: httpx2.Response
    start: int
    size: int | None
    whole: bool
    validator: str | None


class Source:
    """Answers to requests for spans of one file; remembers where redirects led."""

    def __init__(self, client: httpx2.AsyncClient, file: RemoteFile) -> None:
        self._client = client
        self._file = file
        self._headers = dict(file.headers)
        self._place: str | None = None
        self._asked = file.url

    @asynccontextmanager
    async def open(self, span: Span, validator: str | None) -> AsyncIterator[Answer]:
        """Ask for `span`; with a `validator`, all comes from the start if the file has changed.

        Raises TryAgain, Changed, or an error that trying again does not mend.
        """
        import ssl

        import httpx2

        wanted = {"range": f"bytes={span[0]}-{span[1] - 1}"}
        if validator is not None:
            wanted["if-range"] = validator
        has_answered = False
        try:
            response = await self._ask(wanted)
            has_answered = True
            try:
                yield self._answer(response, span)
            finally:
                await response.aclose()
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError) as error:
            raise FetchFailed(f"{self._file.source} cannot be fetched: {error}.") from error
        except httpx2.ReadTimeout:
            silence = self._client.timeout.read or 0.0
            raise TryAgain(f"nothing came for {silence:g} s", reached=has_answered) from None
        # A server that misses our certificate says so after the handshake, which no client names.
        except (httpx2.TransportError, httpx2.DecodingError, ssl.SSLError) as error:
            if is_distrust(error):
                source = f"{self._file.source}{self._led_to()}"
                raise Distrusted(f"{source} cannot be fetched: {reason_of(error)}.") from error
            unreached = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            raise TryAgain(reason_of(error), reached=not unreached) from error

    async def _ask(self, wanted: Mapping[str, str]) -> httpx2.Response:
        response = await self._follow(self._place or self._file.url, wanted)
        if response.status_code in _EXPIRED and self._place is not None:
            # The address behind the redirect was good for a time only.
            await response.aclose()
            self._place = None
            response = await self._follow(self._file.url, wanted)
        if response.status_code == 401 and self._file.renew is not None:
            await response.aclose()
            # Who leaves does not wait for a registry that is silent.
            self._headers = dict(await asyncio.wrap_future(begin(self._file.renew)))
            response = await self._follow(self._file.url, wanted)
        return response

    async def _follow(self, url: str, wanted: Mapping[str, str]) -> httpx2.Response:
        import httpx2

        from localai.network.clients import origin_of

        origin = origin_of(httpx2.URL(self._file.url))
        for _ in range(MOST_REDIRECTS + 1):
            target, self._asked = httpx2.URL(url), url
            own = self._headers if origin_of(target) == origin else {}
            request = self._client.build_request("GET", target, headers=_USUAL | own | dict(wanted))
            response = await self._client.send(request, stream=True, follow_redirects=False)
            if not response.has_redirect_location:
                self._place = url if url != self._file.url else None
                return response
            await response.aclose()
            url = str(target.join(response.headers["location"]))
            if target.scheme == "https" and not url.startswith("https:"):
                raise FetchFailed(f"{self._file.source} leads from https to http: this is refused.")
        raise FetchFailed(f"{self._file.source} is redirected more than {MOST_REDIRECTS} times.")

    def _led_to(self) -> str:
        """Return whose answer it is, where that is not the one whose address is known."""
        asked, known = (urlsplit(url).netloc for url in (self._asked, self._file.url))
        return "" if asked == known else f", which leads to {asked.rpartition('@')[2]},"

    def _answer(self, response: httpx2.Response, span: Span) -> Answer:
        if response.status_code not in {200, 206}:
            self._raise_for(response)
        self._refuse_page(response)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchFailed(f"{self._file.source} is sent compressed, which was not asked for.")
        validator = _validator(response.headers)
        if response.status_code == 200:
            length = response.headers.get("content-length", "")
            return Answer(response, 0, int(length) if length.isdigit() else None, True, validator)
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if found is None or int(found[1]) != span[0]:
            raise FetchFailed(f"{self._file.source} sends another part of the file than asked for.")
        size = None if found[3] == "*" else int(found[3])
        return Answer(response, span[0], size, False, validator)

    def _refuse_page(self, response: httpx2.Response) -> None:
        page = response.headers.get("content-type", "").startswith("text/html")
        if page and not self._file.path.endswith((".html", ".htm")):
            raise WrongFile(f"{self._file.source} is a web page, not a model file.")

    def _raise_for(self, response: httpx2.Response) -> None:
        status, url = response.status_code, self._file.source
        said = f"{url} answered {status}"
        if status == 416 and response.headers.get("content-range") == "bytes */0":
            raise WrongFile(f"{url} is no model file: it is empty.")
        if status == 416:
            raise Changed
        if status in BUSY:
            raise TryAgain(said, asked_to_wait(response))
        if status in {401, 403} and response.headers.get("x-error-code") == "GatedRepo":
            raise AccessRefused(gated(url.partition("/resolve/")[0]))
        if status in {401, 403}:
            raise AccessRefused(
                f"{said}: it needs a token, or the one that was sent is not good for it. For the "
                "hub set HF_TOKEN and accept the model's terms on its page; for a registry run "
                "`podman login` or `docker login`."
            )
        if status in {404, 410}:
            raise NotInRegistry(f"{said}: there is no such file.")
        raise FetchFailed(f"{said}.")


_USUAL = {
    "user-agent": f"localai/{__version__}",
    "accept": "*/*",
    # Ranges and hashes are of the file, not of a compressed form of it.
    "accept-encoding": "identity",
}


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return what names this version of the file; a weak tag cannot be used for ranges."""
    tag = headers.get("etag")
    if tag is not None and not tag.startswith("W/"):
        return tag
    return headers.get("last-modified")
