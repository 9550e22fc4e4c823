"""Ends with 0 when the gateway in this container takes calls."""

from __future__ import annotations

import http.client
import os
import sys

_SECONDS = 4.0


def is_ready(port: int) -> bool:
    """Tell whether `GET /ready` answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_ready(int(os.environ.get("LOCALAI_PORT", "8080"))))
