"""That nobody answers is an error of its own, which names the host: only a network mends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.gallery.fetching import fetch_text
from localai.store.download import Patience
from localai.store.errors import FetchFailed, Offline, Unreachable
from localai.store.flights import Downloader
from localai.store.store import Store
from tests.unit.store.file_server import Fault, nobody, serve_files


@pytest.fixture(name="nobody")
def _nobody() -> Iterator[str]:
    with nobody() as place:
        yield place


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, downloader=Downloader(patience=Patience(pause=0.01, attempts=2)))


@pytest.mark.parametrize("form", ["http://{}/a.gguf", "hf://org/repo", "oci://{}/repo:1"])
def test_every_source_says_so(
    store: Store, nobody: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://{nobody}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with pytest.raises(Unreachable) as raised:
        store.pull(form.format(nobody))
    assert raised.value.host == nobody
    assert raised.value.details == {"host": nobody}


def test_so_does_the_text_of_a_gallery(nobody: str) -> None:
    with pytest.raises(Unreachable) as raised:
        fetch_text(f"http://{nobody}/index.yaml")
    assert raised.value.host == nobody


def test_a_server_that_answers_badly_is_reached(store: Store) -> None:
    with serve_files() as server:
        server.always = Fault(status=503)
        with pytest.raises(FetchFailed) as raised:
            store.pull(server.put("/a.gguf", b"GGUF"))
    assert not isinstance(raised.value, Unreachable)


def test_to_be_offline_is_another_thing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Offline):
        store.pull("hf://org/repo")
    with serve_files() as server, pytest.raises(Offline, match="HF_HUB_OFFLINE"):
        fetch_text(server.put("/index.yaml", b"[]"))
    assert server.asked == []
