"""Names of the tests' own, and a loopback on which one half counts as the public internet."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from typing import Any

import pytest

from localai.network import reach
from localai.network.addresses import Address

PUBLIC, PRIVATE = "127.0.0.1", "127.0.0.2"


class Names:
    """Answers look-ups from `table`, where each look-up takes the next of a name's addresses.

    127.0.0.1 counts as public, every other address of the loopback as private.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.table: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self._really = socket.getaddrinfo
        for name in list(os.environ):
            if name.lower().endswith("_proxy"):
                monkeypatch.delenv(name)
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)
        monkeypatch.setattr(reach, "is_public", _is_public)

    def _look_up(self, host: Any, port: Any, *args: Any, **options: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        if text in self.table:
            self.asked.append(text)
            known = self.table[text]
            host = known.pop(0) if len(known) > 1 else known[0]
        return self._really(host, port, *args, **options)


def _is_public(address: Address) -> bool:
    return address == ip_address(PUBLIC)
