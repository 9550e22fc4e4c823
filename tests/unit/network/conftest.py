from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.network.names import Names
from tests.unit.store.file_server import FileServer, serve_files


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as files:
        yield files


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)
