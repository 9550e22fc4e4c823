"""What pruning takes, and what it never takes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from localai.file_locks import is_locked, open_locked
from localai.store import underway
from localai.store.cleaning import HOUR, WEEK, Pruning
from localai.store.errors import UnreadableRecord
from localai.store.layout import LOCK
from localai.store.store import Store
from localai.store.underway import marked
from tests.gateways import eventually
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import Asked, Fault, FileServer, Reply
from tests.unit.store.hub_server import Hub

ROOT = Path(__file__).parents[3]
MODEL = gguf(50_000)
SPLIT = "org/Split-GGUF"
SHARDS = {f"S-Q4_K_M-0000{n}-of-00002.gguf": gguf(300_000 * n, n) for n in (1, 2)}
ALL = Pruning(0, 0)


def put(path: Path, age: float = 0.0, content: bytes = b"x" * 8192) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if age:
        now = path.stat().st_mtime
        os.utime(path, (now - age, now - age))
    return path


def test_only_the_stores_own_folders_are_walked(server: FileServer, store: Store) -> None:
    """The store's folder may be the models folder, or one with anything else in it."""
    model = store.pull(server.put("/m.gguf", MODEL))
    own = [
        put(store.folder / name, 10 * WEEK)
        for name in ("my.yaml", "my.gguf", "photos/a.jpg", "records/notes.txt", ".hidden", "a.part")
    ]
    (store.folder / "empty/folder").mkdir(parents=True)
    left = put(store.folder / "url/host/left.gguf", 2 * HOUR)

    assert store.usage().unused == 8192
    assert store.prune(ALL).paths == ("url/host/left.gguf",)
    assert all(path.exists() for path in own)
    assert (store.folder / "empty/folder").is_dir()
    assert not left.parent.exists()
    assert store.find(model.reference) == model


def test_links_to_folders_of_a_user_are_not_followed(store: Store, tmp_path: Path) -> None:
    own = put(tmp_path / "mine/own.gguf", WEEK)
    (store.folder / "hf/org").mkdir(parents=True)
    (store.folder / "hf/org/mine").symlink_to(own.parent)
    assert store.prune(ALL).paths == ()
    assert own.exists()
    assert (store.folder / "hf/org/mine").is_symlink()


def test_unfinished_downloads_stay_for_a_week(store: Store) -> None:
    fresh = put(store.folder / "hf/o/r/a.gguf.part", WEEK - HOUR)
    old = put(store.folder / "hf/o/r/b.gguf.part", WEEK + HOUR)
    note = put(store.folder / "hf/o/r/b.gguf.part.json", WEEK + HOUR)
    unused = put(store.folder / "hf/o/r/c.gguf", 2 * HOUR)
    told = store.prune(Pruning(dry=True))

    assert all(path.exists() for path in (fresh, old, note, unused))
    done = store.prune()
    assert told == done
    assert set(done.paths) == {f"hf/o/r/{one.name}" for one in (old, note, unused)}
    assert store.prune(ALL).paths == ("hf/o/r/a.gguf.part",)


def test_named_and_loaded_files_stay(store: Store) -> None:
    named, loaded = (put(store.folder / f"hf/o/{name}/m.gguf", WEEK) for name in "ab")
    held = open_locked(loaded, shared=True)
    assert held is not None
    assert store.prune(Pruning(0, 0, kept={named.parent})).paths == ()
    os.close(held)
    assert store.prune(Pruning(0, 0, kept={named})).paths == ("hf/o/b/m.gguf",)


@pytest.mark.parametrize("content", ["{", "[]", '{"reference": "x"}'])
def test_nothing_goes_while_a_record_cannot_be_read(
    server: FileServer, store: Store, content: str
) -> None:
    model = store.pull(server.put("/m.gguf", MODEL))
    broken = store.folder / "records/broken.json"
    broken.write_text(content)
    for remove in (lambda: store.prune(ALL), lambda: store.remove(model.reference)):
        with pytest.raises(UnreadableRecord, match=r"broken\.json .*delete this file and pull"):
            remove()
    assert model.model.exists()

    newer = gguf(50_000, 1)
    server.put("/m.gguf", newer)
    assert store.pull(model.reference, force=True).model.read_bytes() == newer
    broken.unlink()
    assert store.remove(model.reference).freed == len(newer)


def test_what_a_newer_version_notes_besides_is_passed_over(
    server: FileServer, store: Store
) -> None:
    model = store.pull(server.put("/m.gguf", MODEL))
    (record,) = (store.folder / "records").iterdir()
    text = record.read_text()
    text = text.replace('"path":', '"licence": "mit", "path":', 1)
    record.write_text(text.replace('"reference":', '"signed_by": ["a"], "reference":', 1))
    assert store.list() == [model]
    assert store.prune(ALL).paths == ()


# --- pulls under way ---


@pytest.fixture
def hub(server: FileServer, other_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    hub = Hub(server, other_server)
    hub.put(SPLIT, SHARDS)
    return hub


class Held:
    """The second shard, which the server does not send until told."""

    def __init__(self, hub: Hub) -> None:
        self.go_on, self.asked = threading.Event(), threading.Event()
        self._content = SHARDS["S-Q4_K_M-00002-of-00002.gguf"]
        self._path, self._hub = f"/cdn/{sha256(self._content)}", hub
        del hub.cdn.files[self._path]
        hub.cdn.routes[self._path] = self._wait

    def release(self) -> None:
        self._hub.cdn.files[self._path] = self._content
        del self._hub.cdn.routes[self._path]
        self.go_on.set()

    def _wait(self, _: Asked) -> Reply:
        self.asked.set()
        self.go_on.wait(20)
        return 503, {"retry-after": "0"}, b""


def first_shard(store: Store) -> Path:
    return store.folder / f"hf/{SPLIT}/S-Q4_K_M-00001-of-00002.gguf"


@pytest.mark.parametrize("how", ["usage", "prune"])
def test_files_that_go_meanwhile_are_passed_over(
    store: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A download renames its notes all the time, and its file at its end."""
    put(store.folder / "url/host/m.gguf.part.json.new")
    left = put(store.folder / "url/host/z.gguf", 2 * HOUR)
    walk = os.walk

    def walk_late(*asked: Any, **how: Any) -> Any:
        for folder, folders, files in walk(*asked, **how):
            for name in files:
                if name.endswith(".new"):
                    Path(folder, name).unlink()
            yield folder, folders, files

    monkeypatch.setattr(os, "walk", walk_late)
    if how == "usage":
        assert store.usage().unused == 8192
    else:
        assert store.prune(ALL).paths == ("url/host/z.gguf",)
        assert not left.exists()


def test_looking_at_the_room_keeps_others_from_ending_their_pull_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look holds a note's lock for a moment, and a pull that ends then would leave its note."""
    locked: list[bool] = []

    def look(path: Path) -> bool:
        locked.append(is_locked(store.folder / LOCK))
        return is_locked(path)

    with marked(store.folder, "url/host", store.lock), monkeypatch.context() as patched:
        patched.setattr(underway, "is_locked", look)
        store.usage()
    assert locked == [True]
    assert not (store.folder / "underway").exists()


def test_looking_at_the_room_of_no_store_makes_none(tmp_path: Path) -> None:
    assert Store(tmp_path / "none").usage().models == 0
    assert not (tmp_path / "none").exists()


def start_pull(store: Store) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "tests.unit.store.pull_model"]
    return subprocess.Popen(
        [*program, str(store.folder), SPLIT], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_the_finished_part_of_a_model_under_way_stays(hub: Hub, store: Store) -> None:
    held = Held(hub)
    pulling = start_pull(store)
    assert held.asked.wait(20)
    eventually(lambda: first_shard(store).exists() or None)
    assert store.prune(ALL).paths == ()
    assert store.usage().unused == 0
    held.release()
    out, err = pulling.communicate(timeout=60)
    assert (pulling.returncode, out) == (0, f"hf://{SPLIT}"), err
    assert store.find(f"hf://{SPLIT}") is not None
    assert not (store.folder / "underway").exists()


def test_what_a_killed_pull_has_fetched_stays_for_a_week(
    hub: Hub, store: Store, tmp_path: Path
) -> None:
    held = Held(hub)
    pulling = start_pull(store)
    assert held.asked.wait(20)
    eventually(lambda: first_shard(store).exists() or None)
    pulling.kill()
    pulling.communicate()
    now = first_shard(store).stat().st_mtime

    later = Store(store.folder, now=lambda: now + 2 * HOUR)
    assert later.prune().paths == ()
    assert later.usage().unfinished >= 300_000
    held.release()
    much_later = Store(store.folder, now=lambda: now + WEEK + HOUR)
    assert first_shard(store).name in "".join(much_later.prune().paths)
    assert not (store.folder / "underway").exists()
    assert store.pull(SPLIT).model.exists()


def test_a_pull_that_finds_nothing_leaves_no_note(server: FileServer, store: Store) -> None:
    url = server.put("/m.gguf", MODEL)
    server.always = Fault(status=404)
    with pytest.raises(Exception, match="404"):
        store.pull(url)
    assert not (store.folder / "underway").exists()
