"""Which addresses the gateway may fetch from on a caller's behalf: those of the public internet.

Source: OWASP's "Server-Side Request Forgery Prevention Cheat Sheet"; IANA's special-purpose
address registries, as Python's `ipaddress` knows them, and what its older versions do not know.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Address = IPv4Address | IPv6Address
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
"""The only part of IPv6 that is given out; whatever else has a route leads somewhere special."""
_NEVER = (
    IPv4Network("168.63.129.16/32"),  # Azure's own services, at a public address
    IPv4Network("192.0.0.0/24"),  # protocols' own; Oracle's metadata among them
    IPv4Network("192.88.99.0/24"),  # relays from IPv6, which lead anywhere
    IPv6Network("3fff::/20"),  # documentation, since RFC 9637
)


async def resolve_host(host: str, port: int) -> list[Address]:
    """Return every address of `host`; raises OSError when the name has none."""
    loop = asyncio.get_running_loop()
    return _addresses(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def resolve_host_here(host: str, port: int) -> list[Address]:
    """Return the same, in the thread that asks."""
    return _addresses(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def literal_address(host: str) -> Address | None:
    """Return the address that `host` is, in any spelling; None for a name."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001, 2130706433
    except (OSError, ValueError):
        return None


def is_public(address: Address) -> bool:
    """Tell whether `address` is a host of the public internet, also where one hides in another.

    Private, loopback, link-local (cloud metadata among them), carrier-grade NAT, multicast and
    reserved addresses are not; nor is an IPv6 address that carries such an IPv4 one.
    """
    if address.is_multicast or not address.is_global or any(address in net for net in _NEVER):
        return False
    if isinstance(address, IPv6Address) and not (address in _UNICAST or address in _NAT64):
        return False
    return all(is_public(inner) for inner in _carried(address))


def _addresses(found: Iterable[tuple[Any, ...]]) -> list[Address]:
    return list(dict.fromkeys(ip_address(str(one[4][0]).partition("%")[0]) for one in found))


def _carried(address: Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    found = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]
