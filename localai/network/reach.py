"""How far a connection may reach: anywhere, or only to hosts that a stranger may know of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from localai.errors import RequestError
from localai.network.addresses import Address, is_public, literal_address

_PORTS = {"http": 80, "https": 443}


class PrivateHost(RequestError):
    """What a caller named leads to `host`, which is not on the public internet."""

    status = 403
    default_code = "private_address"

    def __init__(self, host: str, setting: str) -> None:
        super().__init__(
            f"'{host}' is not an address of the public internet, and nothing else is fetched from "
            f"for callers over HTTP: set {setting}=true to allow private addresses too.",
            details={"host": host, "setting": setting},
        )
        self.host = host


@dataclass(frozen=True)
class Reach:
    """Which hosts may be connected to.

    With `public_only` those of the public internet, and those of `own`, which the operator named,
    each a host and a port. `setting` is the variable that allows all.
    """

    public_only: bool = False
    own: frozenset[tuple[str, int]] = frozenset()
    setting: str = ""

    def with_own(self, url: str) -> Reach:
        """Return the same with the host and port of `url`."""
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        return replace(self, own=self.own | {((parts.hostname or "").lower(), port)})

    def is_open_to(self, host: str, port: int) -> bool:
        """Tell whether `host` may be connected to wherever it is."""
        return not self.public_only or (host.lower(), port) in self.own

    def check(self, host: str, port: int, addresses: Iterable[Address]) -> None:
        """Raise PrivateHost where `host` may only be connected to if it is public, and is not.

        All addresses count: a host that has both kinds is up to something.
        """
        if not self.is_open_to(host, port) and not all(map(is_public, addresses)):
            raise PrivateHost(host, self.setting)

    def check_name(self, host: str, port: int) -> None:
        """Raise PrivateHost where the name alone tells it: before a proxy, which looks it up."""
        if self.is_open_to(host, port):
            return
        address, plain = literal_address(host), host.lower().rstrip(".")
        is_this_machine = plain == "localhost" or plain.endswith(".localhost")
        if is_this_machine or (address is not None and not is_public(address)):
            raise PrivateHost(host, self.setting)


ANYWHERE = Reach()
PUBLIC_MODELS = Reach(public_only=True, setting="LOCALAI_ALLOW_PRIVATE_MODELS")
"""How far models are fetched from that somebody asked for over HTTP."""
