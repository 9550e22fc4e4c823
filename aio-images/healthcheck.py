"""Ends with 0 when the gateway in this container takes calls."""

from __future__ import annotations

import http.client
import os
import socket
import sys

_SECONDS = 4.0


class _OverUnix(http.client.HTTPConnection):
    """A connection to the Unix socket at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def is_ready(connection: http.client.HTTPConnection) -> bool:
    """Tell whether `GET /ready` answers 200."""
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def gateway() -> http.client.HTTPConnection:
    """Return a connection to where the variables say that the gateway listens."""
    if path := os.environ.get("LOCALAI_SOCKET"):
        return _OverUnix(path)
    port = int(os.environ.get("LOCALAI_PORT", "8080"))
    return http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)


if __name__ == "__main__":
    sys.exit(not is_ready(gateway()))
