"""A store for callers: nothing that they name leads it to a private address."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from localai.network.reach import PUBLIC_MODELS, PrivateHost
from localai.network.tls import Certificates
from localai.store.artifact import RemoteFile
from localai.store.download import Patience
from localai.store.flights import Downloader
from localai.store.progress import Progress
from localai.store.store import Store
from tests.gateways import eventually
from tests.unit.network.names import PRIVATE, Names
from tests.unit.store.content import gguf
from tests.unit.store.file_server import Fault, FileServer, serve_files
from tests.unit.store.hub_server import Hub
from tests.unit.store.registry_server import Blob, TokenRegistry, manifest_of

MODEL = gguf(300_000, 1)
LAYERS = [
    Blob("application/vnd.docker.ai.model.config.v0.1+json", b"{}"),
    Blob("application/vnd.docker.ai.gguf.v3", MODEL),
]


@pytest.fixture
def inside() -> Iterator[FileServer]:
    """What callers must not reach."""
    with serve_files(PRIVATE) as server:
        server.put("/m.gguf", MODEL)
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Store]:
    downloader = Downloader(chunk=100_000, patience=Patience(stall=5, pause=0, attempts=2))

    def make(public_only: bool = True) -> Store:
        return Store(tmp_path / "store", downloader=downloader, public_only=public_only)

    return make


def refused(store: Store, text: str) -> PrivateHost:
    with pytest.raises(PrivateHost, match="LOCALAI_ALLOW_PRIVATE_MODELS=true") as raised:
        store.pull(text)
    assert store.list() == []
    return raised.value


@pytest.mark.parametrize(
    "form", ["{url}/m.gguf", "{url}/voice.tar.gz", "ollama://{host}/a/b", "oci://{host}/a/b:v1"]
)
def test_a_private_host_is_not_asked(
    server: FileServer, store: Callable[..., Store], form: str
) -> None:
    """Without any help of the tests: the loopback is private."""
    text = form.format(url=server.url, host=server.origin)
    error = refused(store(), text)
    assert (error.status, error.code, error.details["host"]) == (
        403, "private_address", "127.0.0.1"
    )  # fmt: skip
    assert server.asked == []


def test_cloud_metadata_is_out_of_reach(store: Callable[..., Store]) -> None:
    refused(store(), "http://169.254.169.254/latest/meta-data/m.gguf")


def test_a_file_does_not_lead_inside(
    server: FileServer, inside: FileServer, names: Names, store: Callable[..., Store]
) -> None:
    server.redirects["/m.gguf"] = f"{inside.url}/m.gguf"
    refused(store(), f"{server.url}/m.gguf")
    assert inside.asked == []
    assert store(public_only=False).pull(f"{server.url}/m.gguf").model.read_bytes() == MODEL


@pytest.mark.parametrize("way", ["token", "manifest", "blob"])
def test_a_registry_does_not_lead_inside(
    server: FileServer, inside: FileServer, names: Names, store: Callable[..., Store], way: str
) -> None:
    realm = f"{inside.url}/token" if way == "token" else None
    registry = TokenRegistry(server, realm)
    registry.put("a/b", "v1", manifest_of(LAYERS[0], LAYERS[1:]), LAYERS)
    inside.routes["/token"] = registry.give_token
    where = {
        "manifest": "/v2/a/b/manifests/v1",
        "blob": f"/v2/a/b/blobs/{LAYERS[1].digest}",
        "token": "",
    }[way]
    if where:
        server.redirects[where] = f"{inside.url}/m.gguf"
    # Such hosts of the loopback are asked without TLS, as registries of this machine are.
    refused(store(), f"oci://{server.origin}/a/b:v1")
    assert inside.asked == []


def test_the_operators_hub_may_be_anywhere_but_does_not_lead_inside(
    server: FileServer,
    other_server: FileServer,
    store: Callable[..., Store],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    Hub(server, cdn=server).put("org/same", {"m-Q4_K_M.gguf": MODEL})
    Hub(server, cdn=other_server).put("org/elsewhere", {"m-Q4_K_M.gguf": gguf(5000, 2)})

    refused(store(), "org/elsewhere")
    assert other_server.asked == []
    assert store().pull("org/same").model.read_bytes() == MODEL
    # The hub's address is the operator's for what is asked of the hub alone.
    with pytest.raises(PrivateHost):
        store().pull(f"{server.url}/cdn/m.gguf")


# --- two who want the same file, of whom one may reach more ---


def remote(server: FileServer, confined: bool) -> RemoteFile:
    url = f"{server.url}/m.gguf"
    file = RemoteFile("m.gguf", url)
    return RemoteFile("m.gguf", url, reach=PUBLIC_MODELS) if confined else file


def test_who_may_reach_less_fetches_nothing_through_who_may_reach_more(
    server: FileServer, tmp_path: Path
) -> None:
    server.put("/m.gguf", MODEL)
    server.always = Fault(pause_at=20_000)
    downloader, target, waits = Downloader(), tmp_path / "m.gguf", threading.Event()
    ends: dict[bool, object] = {}

    def fetch(confined: bool) -> None:
        def told(progress: object) -> None:
            if getattr(progress, "phase", "") == "waiting":
                waits.set()

        try:
            ends[confined] = downloader.fetch(remote(server, confined), target, told)
        except PrivateHost as error:
            ends[confined] = error

    free = threading.Thread(target=fetch, args=(False,))
    free.start()
    eventually(lambda: server.asked)
    confined = threading.Thread(target=fetch, args=(True,))
    confined.start()
    assert waits.wait(10)
    asked = len(server.asked)
    server.go_on.set()
    free.join()
    confined.join()

    assert target.read_bytes() == MODEL
    # It takes what is here in the end, for which nobody was asked a second time.
    assert getattr(ends[True], "received", None) == 0
    assert len(server.asked) == asked


def test_who_may_reach_more_does_not_fail_with_who_may_reach_less(
    server: FileServer, inside: FileServer, names: Names, tmp_path: Path
) -> None:
    """The confined one has begun, and is led inside when the other one comes."""
    server.put("/m.gguf", b"")
    led, go_on = threading.Event(), threading.Event()

    def lead_inside(_: object) -> tuple[int, dict[str, str], bytes]:
        led.set()
        assert go_on.wait(10)
        return 302, {"location": f"{inside.url}/m.gguf"}, b""

    del server.files["/m.gguf"]
    server.routes["/m.gguf"] = lead_inside
    downloader, target = Downloader(), tmp_path / "m.gguf"
    ends: list[BaseException] = []

    def fetch_confined() -> None:
        try:
            downloader.fetch(remote(server, confined=True), target)
        except PrivateHost as error:
            ends.append(error)

    thread = threading.Thread(target=fetch_confined)
    thread.start()
    assert led.wait(10)
    fetched = downloader.fetch(remote(server, confined=False), target, lambda _: go_on.set())
    thread.join()

    assert fetched.size == len(MODEL)
    assert isinstance(ends[0], PrivateHost)


def test_who_trusts_more_does_not_fail_with_who_trusts_less(
    server: FileServer, tmp_path: Path
) -> None:
    """The second one does not wait for an answer that the first one would get."""
    server.put("/m.gguf", MODEL)
    usual = remote(server, confined=False)
    trusting = replace(usual, certificates=Certificates(checked=False, origin=server.url))
    server.always, downloader = Fault(pause_at=20_000), Downloader()
    phases: list[str] = []

    def told(progress: Progress) -> None:
        phases.append(progress.phase)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(downloader.fetch, usual, tmp_path / "m.gguf")
        eventually(lambda: server.asked)
        second = pool.submit(downloader.fetch, trusting, tmp_path / "m.gguf", told)
        eventually(lambda: phases)
        server.go_on.set()
        assert first.result(10).size == second.result(10).size == len(MODEL)
    assert phases[0] == "waiting"
