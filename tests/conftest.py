"""What every test gets: no user home, no settings from outside, no network beyond loopback."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_FOLDERS = ("unit", "contract", "wire", "e2e", "fault")
_SWITCHES = ("PROFILE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
"""The last two are also set by the backends that tests import, for the whole process."""


def pytest_configure(config: pytest.Config) -> None:
    for folder in _FOLDERS:
        config.addinivalue_line("markers", f"{folder}: tests below tests/{folder}")
    # What a shell starts in the background ignores Ctrl-C, and so would every program tested here.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(tests).parts[0]
        if folder in _FOLDERS:
            item.add_marker(folder)


@pytest.fixture(autouse=True)
def no_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the test a home of its own and take the caller's settings away."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("LOCALAI_", "OPENAI_", "XDG_")) or name in _SWITCHES:
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setattr(socket.socket, "connect", _connect_on_loopback)
        yield


_connect = socket.socket.connect
_LOOPBACK = frozenset({"127.0.0.1", "127.0.0.2", "::1", "localhost"})


def _connect_on_loopback(self: socket.socket, address: Any) -> None:
    if isinstance(address, tuple) and address[0] not in _LOOPBACK:
        raise AssertionError(f"a test wanted to reach {address}")
    _connect(self, address)
