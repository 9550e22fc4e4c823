"""How the gateway is called: addresses of ports and of Unix sockets."""

from __future__ import annotations

import shlex

UNIX = "unix://"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def loopback_of(host: str) -> str:
    """Return where to call who listens on `host`: one that listens everywhere, on the loopback."""
    return _EVERYWHERE.get(host, host)


def shown_url(host: str, port: int) -> str:
    """Return the address to call."""
    name = loopback_of(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def curl_words(url: str) -> str:
    """Return how a curl command that calls the gateway at `url` begins, up to the path."""
    if not url.startswith(UNIX):
        return f"curl {url}"
    return f"curl --unix-socket {shlex.quote(url.removeprefix(UNIX))} http://localhost"
