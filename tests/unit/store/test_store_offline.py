"""What is here already needs no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.store.download import Patience
from localai.store.errors import FetchFailed, Offline
from localai.store.flights import Downloader
from localai.store.store import Store
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import FileServer
from tests.unit.store.hub_server import Hub
from tests.unit.store.registry_server import Blob, TokenRegistry, manifest_of

REPO = "org/tiny"
MODEL, PROJECTOR, OTHER = gguf(50_000, 1), gguf(5000, 2), gguf(6000, 3)


@pytest.fixture
def hub(server: FileServer, other_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    hub = Hub(server, other_server)
    hub.put(
        REPO,
        {"tiny-Q4_K_M.gguf": MODEL, "tiny-Q8_0.gguf": OTHER, "mmproj-F16.gguf": PROJECTOR},
    )
    return hub


@pytest.fixture
def store(tmp_path: Path) -> Store:
    patience = Patience(stall=5, pause=0, attempts=2)
    return Store(tmp_path / "store", downloader=Downloader(patience=patience))


def cut_off(monkeypatch: pytest.MonkeyPatch, how: str, hub_cache: Path) -> None:
    """Take the network away: by the hub's own switch, or by an address where nobody is."""
    # Another machine's cache: the store's own files must do.
    monkeypatch.setenv("HF_HUB_CACHE", str(hub_cache))
    if how == "offline":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    else:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.parametrize("how", ["offline", "unreachable"])
def test_a_second_pull_needs_no_network(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    before = store.pull(f"hf://{REPO}")
    cut_off(monkeypatch, how, tmp_path / "elsewhere")
    again = store.pull(REPO)

    assert (again.model, again.files) == (before.model, before.files)
    assert again.notes[-1].endswith("The version that is here is taken.")
    store.note_card(again, tmp_path / "tiny.yaml")
    kept = store.find(f"hf://{REPO}")
    assert kept is not None
    # The note was about that pull alone.
    assert (kept.notes, kept.cards) == ((), (str(tmp_path / "tiny.yaml"),))


@pytest.mark.parametrize("text", [f"hf://{REPO}/tiny-Q4_K_M.gguf", f"hf://{REPO}:Q4_K_M"])
def test_another_name_of_a_file_that_is_here_needs_no_network(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    before = store.pull(REPO)
    cut_off(monkeypatch, "offline", tmp_path / "elsewhere")
    found = store.pull(text, sha256=sha256(MODEL))

    assert (found.model, found.files) == (before.model, before.files)
    assert store.find(text) == found


@pytest.mark.parametrize("how", ["offline", "unreachable"])
def test_what_is_not_here_says_so(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    before = store.pull(REPO)
    cut_off(monkeypatch, how, tmp_path / "elsewhere")
    with pytest.raises(FetchFailed):
        store.pull(f"hf://{REPO}:Q8_0")
    with pytest.raises(FetchFailed):
        store.pull(f"hf://{REPO}", force=True)
    with pytest.raises(FetchFailed):
        store.pull(f"hf://{REPO}", sha256="0" * 64)
    before.model.unlink()
    with pytest.raises(FetchFailed):
        store.pull(f"hf://{REPO}")


def test_a_registry_need_not_be_there_either(store: Store, server: FileServer) -> None:
    config = Blob("application/vnd.docker.container.image.v1+json", b"{}")
    layer = Blob("application/vnd.ollama.image.model", MODEL)
    TokenRegistry(server).put(
        "library/tiny", "latest", manifest_of(config, [layer]), [config, layer]
    )
    text = f"ollama://{server.origin}/library/tiny"
    before = store.pull(text)
    server.routes.clear()
    server.files.clear()
    server.routes["/v2/library/tiny/manifests/latest"] = lambda _: (503, {}, b"")

    assert store.pull(text).files == before.files


def test_offline_is_named_where_nothing_is_here(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Offline, match="HF_HUB_OFFLINE"):
        store.pull(REPO)


@pytest.mark.parametrize("form", ["http://{}/files/m.gguf", "oci://{}/a/b:v1", "ollama://{}/l/m"])
def test_offline_asks_nobody_at_all(
    store: Store, server: FileServer, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    server.put("/files/m.gguf", MODEL)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Offline, match="HF_HUB_OFFLINE forbids to ask for it"):
        store.pull(form.format(server.origin))
    assert server.asked == []


def test_offline_takes_what_came_from_an_address(
    store: Store, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put("/files/m.gguf", MODEL)
    before = store.pull(url)
    asked = len(server.asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    again = store.pull(url)

    assert again.files == before.files
    assert again.notes[-1].endswith("The version that is here is taken.")
    assert len(server.asked) == asked


def test_offline_uses_a_file_of_this_machine(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.gguf").write_bytes(MODEL)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert store.pull(str(tmp_path / "m.gguf")).model == tmp_path / "m.gguf"
