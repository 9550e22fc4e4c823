"""What a person is told where the network, or who is asked, does not answer as it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.errors import ConfigError
from localai.store.download import Patience
from localai.store.errors import FetchFailed, NotInRegistry, Unreachable
from localai.store.flights import Downloader
from localai.store.store import Store
from tests.unit.store.content import gguf
from tests.unit.store.file_server import FileServer, nobody
from tests.unit.store.hub_server import COMMIT, Hub

LOGIN_PAGE = b"<html><body>Log in to the hotel's network</body></html>"
WRONG_LISTINGS = [
    LOGIN_PAGE,
    b"",
    b"{}",
    b"[]",
    b'"text"',
    b"[" * 100_000,
    json.dumps({"id": "org/m", "sha": COMMIT, "siblings": [{}]}).encode(),
    json.dumps({"id": "org/m", "sha": COMMIT, "siblings": [{"rfilename": 5}]}).encode(),
    json.dumps({"id": "org/m", "sha": COMMIT, "siblings": [
        {"rfilename": "a.gguf", "lfs": {"oid": 1}}
    ]}).encode(),
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", downloader=Downloader(patience=Patience(pause=0, attempts=2)))


@pytest.mark.parametrize("page", WRONG_LISTINGS)
def test_a_hub_that_answers_with_something_else_may_be_tried_again(
    store: Store, server: FileServer, monkeypatch: pytest.MonkeyPatch, page: bytes
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.routes["/api/models/org/m"] = lambda _: (200, {"content-type": "text/html"}, page)
    with pytest.raises(FetchFailed, match=r"Log in to the network.*HF_ENDPOINT") as raised:
        store.pull("hf://org/m")
    assert raised.value.retryable
    assert server.url in raised.value.message


def test_so_may_a_registry(store: Store, server: FileServer) -> None:
    server.routes["/v2/a/b/manifests/v1"] = lambda _: (200, {}, LOGIN_PAGE)
    with pytest.raises(FetchFailed, match="Log in to the network") as raised:
        store.pull(f"oci://{server.origin}/a/b:v1")
    assert raised.value.retryable


@pytest.mark.parametrize("form", ["http://{}/a.gguf", "hf://org/repo", "oci://{}/repo:1"])
def test_a_host_that_refuses_is_told_with_what_to_do(
    store: Store, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    with nobody() as place:
        monkeypatch.setenv("HF_ENDPOINT", f"http://{place}")
        with pytest.raises(Unreachable) as raised:
            store.pull(form.format(place))
    assert "the connection was refused" in raised.value.message
    assert "Errno" not in raised.value.message
    assert "Check the network" in raised.value.message
    # It is no advice to ask for what is here: that would have been taken.
    assert "HF_HUB_OFFLINE" not in raised.value.message


def test_where_a_version_is_here_nothing_has_to_be_done(
    store: Store, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    Hub(server, server).put("org/m", {"m.gguf": gguf(5000)})
    store.pull("org/m")
    with nobody() as place:
        monkeypatch.setenv("HF_ENDPOINT", f"http://{place}")
        note = store.pull("org/m").notes[-1]
    assert note == (
        f"http://{place} cannot be asked for org/m: the connection was refused. The version that "
        "is here is taken."
    )


@pytest.mark.parametrize("endpoint", ["garbage", "hf-mirror.example", "ftp://hub", "http://"])
def test_an_endpoint_that_is_no_address_is_told_as_that(
    store: Store, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(ConfigError, match=f"HF_ENDPOINT is '{endpoint}'.*https://"):
        store.pull("org/m")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("ai/smollm2", "localai pull oci://docker.io/ai/smollm2`"),
        ("ai/smollm2:360M-Q4_K_M", "localai pull oci://docker.io/ai/smollm2:TAG`"),
    ],
)
def test_docker_s_own_names_are_known(
    store: Store, server: FileServer, monkeypatch: pytest.MonkeyPatch, text: str, command: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    with pytest.raises(NotInRegistry) as raised:
        store.pull(text)
    assert command in raised.value.message
    with pytest.raises(NotInRegistry) as other:
        store.pull("org/smollm2")
    assert "docker" not in other.value.message
