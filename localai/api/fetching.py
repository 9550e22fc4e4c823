"""Fetches what a caller's URL points at, without being led to places the caller may not reach."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from localai import __version__
from localai.errors import ConfigError, InvalidRequest
from localai.network.reach import PrivateHost, Reach
from localai.settings import Settings

if TYPE_CHECKING:
    import httpx2

_MOST_REDIRECTS = 5
_SETTING = "LOCALAI_ALLOW_PRIVATE_MEDIA"


class NotFetched(Exception):
    """Why a URL could not be fetched, as half a sentence."""


class Allowance:
    """The bytes that what `param` refers to may still have, counted over all of its fetches."""

    def __init__(self, settings: Settings, param: str) -> None:
        self._most = settings.max_media_mib
        self._left = int(settings.max_media_mib * 2**20)
        self._param = param

    def take(self, size: int) -> None:
        """Count `size` bytes more; raises InvalidRequest when it is too much."""
        self._left -= size
        if self._left < 0:
            raise InvalidRequest(
                f"What '{self._param}' refers to is larger than {self._most:g} MiB in all; raise "
                "LOCALAI_MAX_MEDIA_MIB to allow more.",
                param=self._param,
            )


async def fetch(url: str, settings: Settings, allowance: Allowance) -> bytes:
    """Return what `url` points at.

    Each connection goes to an address that was checked, and redirects are followed by hand. Raises
    NotFetched, and InvalidRequest where it comes to more than `allowance`.
    """
    # The first time takes long, which is not the other side's fault.
    trusted = await asyncio.to_thread(_trusted)
    reach = Reach(not settings.allow_private_media, setting=_SETTING)
    try:
        async with asyncio.timeout(settings.media_timeout):
            return await _fetch(url, reach, trusted, allowance)
    except TimeoutError:
        raise NotFetched(f"it took longer than {settings.media_timeout:g} s") from None


def _trusted() -> ssl.SSLContext:
    from localai.network.tls import context_for

    try:
        return context_for()
    except ConfigError as error:
        raise NotFetched(error.message.rstrip(".")) from error


async def _fetch(url: str, reach: Reach, trusted: ssl.SSLContext, allowance: Allowance) -> bytes:
    import httpx2

    try:
        for _ in range(_MOST_REDIRECTS + 1):
            content, location = await _ask(_request(url), reach, trusted, allowance)
            if location is None:
                return content
            url = str(httpx2.URL(url).join(location))
    except PrivateHost as error:
        raise NotFetched(
            f"'{error.host}' is not an address of the public internet ({_SETTING}=true allows "
            "those)"
        ) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NotFetched(str(error) or type(error).__name__) from None
    raise NotFetched(f"it is redirected more than {_MOST_REDIRECTS} times")


async def _ask(
    request: httpx2.Request, reach: Reach, trusted: ssl.SSLContext, allowance: Allowance
) -> tuple[bytes, str | None]:
    """Return the body, or where else to look for it."""
    import httpx2

    from localai.network.clients import AsyncTransport

    # A proxy of the environment would resolve the name once more, past our check.
    transport = AsyncTransport(reach, verify=trusted, proxies=False)
    async with httpx2.AsyncClient(transport=transport, trust_env=False, timeout=None) as client:
        response = await client.send(request, stream=True)
        try:
            if response.has_redirect_location:
                return b"", response.headers["location"]
            return await _read(response, allowance), None
        finally:
            await response.aclose()


def _request(url: str) -> httpx2.Request:
    """Return the question, which says nothing that the URL does not."""
    import httpx2

    target = httpx2.URL(url)
    if target.scheme not in {"http", "https"}:
        raise NotFetched(f"'{target.scheme}' addresses are not fetched, only http and https")
    if not target.host:
        raise NotFetched("it names no host")
    headers = {
        "user-agent": f"localai/{__version__}",
        "accept": "*/*",
        "accept-encoding": "identity",  # a small body must not unpack into a large one
    }
    return httpx2.Request("GET", target.copy_with(username="", password=""), headers=headers)


async def _read(response: httpx2.Response, allowance: Allowance) -> bytes:
    if response.status_code != 200:
        raise NotFetched(f"the server answered {response.status_code}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NotFetched("the server sent it compressed, which was not asked for")
    content = bytearray()
    async for chunk in response.aiter_raw():
        allowance.take(len(chunk))
        content += chunk
    return bytes(content)


def refusal(reason: NotFetched, param: str) -> InvalidRequest:
    """Return the 400 that tells the caller why its URL was not fetched."""
    return InvalidRequest(
        f"The address in '{param}' could not be fetched: {reason}.",
        param=param,
        code="media_not_fetched",
    )
