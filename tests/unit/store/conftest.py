from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.store.download import Patience
from localai.store.flights import Downloader
from localai.store.store import Store
from tests.unit.network.names import Names
from tests.unit.store.file_server import FileServer, serve_files
from tests.unit.store.hub_server import Hub
from tests.unit.store.registry_server import Pusher, docker_registry

_TRUST = {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("HF_", "OLLAMA_", "DOCKER_", "REGISTRY_", "HUGGING")) or name in _TRUST:
            monkeypatch.delenv(name)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home/huggingface"))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "home/ollama"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "home/run"))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as files:
        yield files


@pytest.fixture
def other_server() -> Iterator[FileServer]:
    with serve_files() as files:
        yield files


@pytest.fixture
def hub(server: FileServer, other_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return Hub(server, other_server)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pusher]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield Pusher(host)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    patience = Patience(stall=5, pause=0, attempts=2)
    return Store(tmp_path / "store", downloader=Downloader(chunk=100_000, patience=patience))
