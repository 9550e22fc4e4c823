"""Fetches what a caller's URL points at, without being led to places the caller may not reach."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from localai import __version__
from localai.api.addresses import Address, is_public, resolve_host
from localai.errors import InvalidRequest
from localai.settings import Settings

if TYPE_CHECKING:
    import httpx2

_MOST_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}


class NotFetched(Exception):
    """Why a URL could not be fetched, as half a sentence."""


async def fetch(url: str, settings: Settings, *, most_bytes: int) -> bytes:
    """Return what `url` points at.

    Each host's addresses are checked and one is used for the connection, so that a name cannot
    change its meaning in between; redirects are followed by hand, each checked again. Raises
    NotFetched.
    """
    import httpx2  # noqa: F401 - the first time takes long, which is not the other side's fault

    try:
        async with asyncio.timeout(settings.media_timeout):
            return await _fetch(url, settings.allow_private_media, most_bytes)
    except TimeoutError:
        raise NotFetched(f"it took longer than {settings.media_timeout:g} s") from None


async def _fetch(url: str, allow_private: bool, most_bytes: int) -> bytes:
    import httpx2

    # A proxy of the environment would resolve the name once more, past our check.
    async with httpx2.AsyncClient(trust_env=False, timeout=None) as client:
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                request = await _pinned_request(client, url, allow_private)
                response = await client.send(request, stream=True)
                try:
                    if not response.has_redirect_location:
                        return await _read(response, most_bytes)
                    url = str(httpx2.URL(url).join(response.headers["location"]))
                finally:
                    await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise NotFetched(str(error) or type(error).__name__) from None
    raise NotFetched(f"it is redirected more than {_MOST_REDIRECTS} times")


async def _pinned_request(
    client: httpx2.AsyncClient, url: str, allow_private: bool
) -> httpx2.Request:
    """Return a GET to one checked address, with the name for `Host` and for the certificate."""
    import httpx2

    target = httpx2.URL(url)
    if target.scheme not in _PORTS:
        raise NotFetched(f"'{target.scheme}' addresses are not fetched, only http and https")
    if not target.host:
        raise NotFetched("it names no host")
    address = await _choose(target, allow_private)
    headers = {
        "host": target.netloc.decode("ascii"),
        "user-agent": f"localai/{__version__}",
        "accept-encoding": "identity",  # a small body must not unpack into a large one
    }
    pinned = target.copy_with(host=str(address), username="", password="")
    extensions = {"sni_hostname": target.raw_host.decode("ascii")}
    return client.build_request("GET", pinned, headers=headers, extensions=extensions)


async def _choose(target: httpx2.URL, allow_private: bool) -> Address:
    try:
        addresses = await resolve_host(target.host, target.port or _PORTS[target.scheme])
    except (OSError, UnicodeError):
        raise NotFetched(f"the host '{target.host}' has no address") from None
    if not allow_private and not all(map(is_public, addresses)):
        raise NotFetched(
            f"'{target.host}' is not an address of the public internet (LOCALAI_ALLOW_PRIVATE_MEDIA"
            "=true allows those)"
        )
    return addresses[0]


async def _read(response: httpx2.Response, most_bytes: int) -> bytes:
    if response.status_code != 200:
        raise NotFetched(f"the server answered {response.status_code}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NotFetched("the server sent it compressed, which was not asked for")
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > most_bytes:
            raise NotFetched(f"it is larger than {most_bytes / 2**20:g} MiB")
    return bytes(content)


def refusal(reason: NotFetched, param: str) -> InvalidRequest:
    """Return the 400 that tells the caller why its URL was not fetched."""
    return InvalidRequest(
        f"The address in '{param}' could not be fetched: {reason}.",
        param=param,
        code="media_not_fetched",
    )
