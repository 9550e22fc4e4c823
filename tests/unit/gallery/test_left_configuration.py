"""A configuration that lies elsewhere is not waited for once nobody wants it any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.cards.catalog import Catalog
from localai.gallery.galleries import galleries_of
from localai.gallery.order import ConfigureOrder
from localai.gallery.orders import Orders
from localai.settings import Settings
from localai.store.errors import Cancelled
from localai.store.progress import ignore
from tests.unit.gallery.samples import BACKENDS
from tests.unit.store.file_server import Asked, FileServer, Reply, serve_files

AT_ONCE = 5.0
"""Seconds, on a slow machine too; the silent server is left alone for 30 and more."""


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as files:
        yield files


@pytest.mark.parametrize("how", ["silent", "busy"])
def test_a_cancelled_configuration_ends_at_once(
    server: FileServer, tmp_path: Path, how: str
) -> None:
    cancel = threading.Event()

    def answer(_: Asked) -> Reply:
        cancel.set()
        if how == "silent":
            server.go_on.wait(60)
        return 503, {"retry-after": "15"}, b""

    server.routes["/base.yaml"] = answer
    settings = Settings(models=tmp_path / "models", store=tmp_path / "store")
    orders = Orders(settings, BACKENDS, Catalog([], BACKENDS), galleries_of(settings, BACKENDS))
    order = ConfigureOrder(f"{server.url}/base.yaml", None, "mine")
    began = time.monotonic()
    with pytest.raises(Cancelled):
        orders.perform(order, ignore, cancel)
    assert time.monotonic() - began < AT_ONCE
    assert len(server.asked) == 1
