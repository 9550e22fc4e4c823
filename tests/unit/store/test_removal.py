"""What `rm` frees, refuses and leaves; other programs keep what is theirs."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.file_locks import open_locked
from localai.store.download import Patience
from localai.store.errors import FetchFailed, InUse
from localai.store.flights import Downloader
from localai.store.hub_cache import add_to_cache, cache_folder
from localai.store.in_use import User
from localai.store.store import Store
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import FileServer
from tests.unit.store.hub_server import COMMIT, Hub

REPO, NAME = "org/Model-GGUF", "Model-Q4_K_M.gguf"
MODEL = gguf(50_000)


@pytest.fixture
def hub(server: FileServer, other_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    hub = Hub(server, other_server)
    hub.put(REPO, {NAME: MODEL})
    return hub


@pytest.fixture
def store(tmp_path: Path) -> Store:
    patience = Patience(stall=5, pause=0, attempts=2)
    return Store(tmp_path / "store", downloader=Downloader(patience=patience))


# --- in use ---


def nobody(_: object) -> list[User]:
    """Say what /proc says of other users' processes, and of those of other containers."""
    return []


@pytest.mark.parametrize("linked", [False, True])
def test_a_lock_of_a_process_that_cannot_be_seen_counts(
    server: FileServer, store: Store, linked: bool
) -> None:
    model = store.pull(server.put("/m.gguf", MODEL))
    if linked:  # as where the file lies on another disk
        moved = store.folder.parent / "elsewhere.gguf"
        shutil.move(model.model, moved)
        model.model.symlink_to(moved)
    blind = Store(store.folder, users=nobody)
    held = open_locked(model.model, shared=True)
    assert held is not None
    with pytest.raises(InUse, match="another user or another container"):
        blind.remove(model.reference)
    assert blind.find(model.reference) == model
    os.close(held)
    blind.remove(model.reference)
    assert not model.model.is_symlink()
    assert not model.model.exists()


def test_force_removes_what_is_held(server: FileServer, store: Store) -> None:
    model = store.pull(server.put("/m.gguf", MODEL))
    held = open_locked(model.model, shared=True)
    assert held is not None
    assert store.remove(model.reference, force=True).freed == len(MODEL)
    os.close(held)


def test_several_models_go_together_or_not_at_all(server: FileServer, store: Store) -> None:
    free, used = (
        store.pull(server.put(f"/{name}.gguf", gguf(50_000, n))) for n, name in enumerate("ab")
    )
    # Linked to the first one: two names of one file are not in each other's way.
    again = store.pull(server.put("/elsewhere/a.gguf", gguf(50_000)), sha256=sha256(gguf(50_000)))
    references = [again.reference, free.reference, used.reference]
    held = open_locked(used.model, shared=True)
    assert held is not None
    with pytest.raises(InUse, match=r"One of .*a\.gguf, .*b\.gguf.* is in use"):
        store.remove_all(references)
    assert len(store.list()) == 3
    assert all(store.find(reference) is not None for reference in references)
    os.close(held)
    # One that is gone already is no hindrance.
    assert store.remove_all([*references, "url://gone"]).freed == 100_000
    assert store.list() == []


def test_a_model_in_use_is_pulled_again_and_replaced(server: FileServer, store: Store) -> None:
    """Downloads have locks of their own; those of a worker do not keep them waiting."""
    model = store.pull(server.put("/m.gguf", MODEL))
    held = open_locked(model.model, shared=True)
    newer = gguf(50_000, 1)
    server.put("/m.gguf", newer)
    assert store.pull(model.reference, force=True).model.read_bytes() == newer
    assert held is not None
    os.close(held)


# --- the hub's cache ---


def blob_of(model_bytes: bytes = MODEL) -> Path:
    return cache_folder() / f"models--{REPO.replace('/', '--')}/blobs" / sha256(model_bytes)


def test_what_this_store_alone_gave_to_the_cache_goes(hub: Hub, store: Store) -> None:
    store.pull(REPO)
    assert blob_of().exists()
    removed = store.remove(f"hf://{REPO}")
    assert (removed.freed, removed.elsewhere) == (len(MODEL), ())
    assert not blob_of().parent.parent.exists()


@pytest.mark.parametrize("trace", ["file", "commit", "lock", "name", "no_exist"])
def test_what_another_program_may_read_stays_and_is_told(
    hub: Hub, store: Store, tmp_path: Path, trace: str
) -> None:
    from huggingface_hub import try_to_load_from_cache

    store.pull(REPO)
    folder = blob_of().parent.parent
    added = {
        "file": folder / "blobs/0123", "lock": folder.parent / ".locks" / folder.name / "x.lock",
        "no_exist": folder / ".no_exist" / COMMIT / "config.json",
        "commit": folder / f"snapshots/{'b' * 40}" / NAME, "name": tmp_path / "mine.gguf",
    }[trace]  # fmt: skip
    added.parent.mkdir(parents=True, exist_ok=True)
    if trace == "commit":
        added.symlink_to(os.path.relpath(blob_of(), added.parent))
    elif trace == "name":
        os.link(blob_of(), added)
    else:
        added.write_bytes(b"{}")
    removed = store.remove(f"hf://{REPO}")

    assert removed.freed == 0
    assert [(one.path, one.size) for one in removed.elsewhere] == [(blob_of(), len(MODEL))]
    found = try_to_load_from_cache(REPO, NAME, cache_dir=cache_folder())
    assert isinstance(found, str)
    assert Path(found).read_bytes() == MODEL


def test_what_was_linked_from_elsewhere_is_told(
    server: FileServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ollama = Path(os.environ["OLLAMA_MODELS"]) / "blobs" / f"sha256-{sha256(MODEL)}"
    ollama.parent.mkdir(parents=True)
    ollama.write_bytes(MODEL)
    model = store.pull(server.put("/m.gguf", MODEL), sha256=sha256(MODEL))
    assert server.sent == 0
    (stays,) = store.remove(model.reference).elsewhere
    assert (stays.path, stays.size) == (ollama, len(MODEL))
    assert ollama.read_bytes() == MODEL


def test_a_cache_on_another_disk_is_left_as_it_is(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, other_disk: Path
) -> None:
    monkeypatch.setenv("HF_HOME", str(other_disk / "hf"))
    model = store.pull(REPO)
    assert model.model.read_bytes() == MODEL
    assert model.files[0].cached is None
    assert list(other_disk.iterdir()) == []


def test_a_cache_that_takes_no_links_is_left_as_it_is(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    cache_folder().mkdir(parents=True)
    monkeypatch.setattr("localai.store.hub_cache.os.link", cannot)
    assert store.pull(REPO).files[0].cached is None
    assert list(cache_folder().iterdir()) == []


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the temporary folders of tests."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system that a test may write to")
    folder = shared / f"localai-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_a_blob_that_was_there_is_not_ours(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(MODEL)
    assert add_to_cache(file, REPO, "main", COMMIT, NAME, "abc") is not None
    assert add_to_cache(file, REPO, "main", COMMIT, NAME, "abc") is None


# --- offline ---


def cached_snapshot(files: dict[str, bytes]) -> None:
    folder = cache_folder() / f"models--{REPO.replace('/', '--')}"
    for name, content in files.items():
        path = folder / "snapshots" / COMMIT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(COMMIT)


SAFE = b"\x02\0\0\0\0\0\0\0{}"
INDEX = b'{"weight_map": {"a": "w-1.safetensors", "b": "w-2.safetensors"}}'
CONFIG = {"config.json": b"{}"}


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        ({"model-00001-of-00002.safetensors": SAFE}, "model-00002-of-00002"),
        ({"w-1.safetensors": SAFE, "model.safetensors.index.json": INDEX}, r"w-2\.safetensors"),
        (
            {"vae/v.safetensors": SAFE, "unet/m.safetensors.index.json": INDEX},
            r"unet/w-1\.safetensors",
        ),
    ],
)
def test_a_part_of_a_model_in_the_cache_is_not_the_model(
    store: Store, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], missing: str
) -> None:
    cached_snapshot(CONFIG | files)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchFailed, match=f"{missing}.*with a network"):
        store.pull(REPO)
    assert store.list() == []


@pytest.mark.parametrize(
    "files",
    [
        {"w-1.safetensors": SAFE, "w-2.safetensors": SAFE, "model.safetensors.index.json": INDEX},
        {"model.safetensors": SAFE, "pytorch_model.bin.index.json": INDEX},
        {"model.safetensors": SAFE, "odd.index.json": b"[]"},
    ],
)
def test_a_whole_model_in_the_cache_is_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    cached_snapshot(CONFIG | files)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    taken = {Path(one.path).name for one in store.pull(REPO).files}
    assert taken == set(CONFIG | files) - {"pytorch_model.bin.index.json"}
