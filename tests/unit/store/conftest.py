from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.network.names import Names
from tests.unit.store.file_server import FileServer, serve_files

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
