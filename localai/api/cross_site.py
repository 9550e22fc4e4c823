"""Keeps web pages of other sites from having models installed, deleted or unloaded.

Any page that somebody opens can send requests to this machine. What changes something must
therefore come from a program or from a page of the gateway itself, which browsers tell.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from localai.errors import RequestError
from localai.protocol.asgi import error_response

_GUARDED = ("/models", "/admin")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_OTHER_SITES = frozenset({"cross-site", "same-site"})


class CrossSite(RequestError):
    """A web page of another site has sent the request."""

    status = 403
    default_code = "cross_site"


class OwnPagesOnly:
    """ASGI middleware that refuses what pages of other sites want changed.

    `public_url` is the address that callers use, where a proxy stands before the gateway.
    """

    def __init__(self, app: ASGIApp, public_url: str | None = None) -> None:
        self._app = app
        self._public = _host(public_url or "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event of the server."""
        if scope["type"] == "http" and _is_guarded(scope) and self._is_foreign(scope):
            refusal = CrossSite(
                "A web page of another site may not change models here. Programs can: they send "
                "neither 'Origin' nor 'Sec-Fetch-Site'. If this page is your own, set "
                "LOCALAI_PUBLIC_URL to the address that it has."
            )
            await error_response(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_foreign(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        if headers.get("sec-fetch-site", "").lower() in _OTHER_SITES:
            return True
        origin = headers.get("origin")
        # Hosts are compared and not schemes: a proxy may speak https where we do not.
        host = headers.get("host", "").lower()
        own = {host if _is_private_name(host) else "", self._public} - {""}
        return origin is not None and _host(origin) not in own


def _is_guarded(scope: Scope) -> bool:
    path: str = scope["path"]
    inside = any(path == root or path.startswith(f"{root}/") for root in _GUARDED)
    return inside and scope["method"] not in _READING


def _is_private_name(host: str) -> bool:
    """Tell whether no stranger can have let the name `host` lead to this machine.

    Anybody's name can: to its own page for the page's text, and here for what the page sends. An
    address or a name of the local network cannot be taken over so.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if "." not in name or name.endswith(_LOCAL_NAMES):
            return True
        ip_address(name)
    except ValueError:
        return False
    return True


def _host(url: str) -> str:
    """Return the host of an address, with the port where one is named; empty for no address."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
