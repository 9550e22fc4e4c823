"""Disks with little room: what is there counts, and a full one is said and leaves no rests."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from localai.store.artifact import RemoteFile
from localai.store.download import Patience
from localai.store.errors import DiskFull, FetchFailed
from localai.store.flights import Downloader
from localai.store.partial import bytes_there, part_path, state_path
from localai.store.store import Store
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import Fault, FileServer
from tests.unit.store.hub_server import Hub

REPO, NAME = "org/Big-GGUF", "Big-Q4_K_M.gguf"
MODEL = gguf(3_000_000)


def store_at(folder: Path, attempts: int) -> Store:
    patience = Patience(stall=5, pause=0, attempts=attempts)
    return Store(folder, downloader=Downloader(chunk=100_000, parallel=1, patience=patience))


def room(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    kind = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: kind(10_000_000, 10_000_000 - free, free))


@pytest.fixture
def hub(server: FileServer, other_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    hub = Hub(server, other_server)
    hub.put(REPO, {NAME: MODEL})
    return hub


def test_a_download_goes_on_with_room_for_the_rest_of_it_alone(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cdn.faults[:] = [Fault()] * 25  # so many requests are answered, then the line is cut
    hub.cdn.always = Fault(status=503)
    with pytest.raises(FetchFailed):
        store_at(tmp_path / "s", 1).pull(REPO)
    hub.cdn.always = None
    target = tmp_path / f"s/hf/{REPO}/{NAME}"
    there = bytes_there(target, RemoteFile(NAME, "http://x", len(MODEL), sha256(MODEL)))
    assert there > 2_000_000

    room(monkeypatch, len(MODEL) - there - 1)
    with pytest.raises(DiskFull):
        store_at(tmp_path / "s", 1).pull(REPO)
    # What the message advises does not take what has come.
    store_at(tmp_path / "s", 1).prune()
    assert part_path(target).exists()
    room(monkeypatch, len(MODEL) - there)
    assert store_at(tmp_path / "s", 1).pull(REPO).model.read_bytes() == MODEL


def test_of_another_version_nothing_is_counted(tmp_path: Path) -> None:
    target = tmp_path / "m.gguf"
    part_path(target).write_bytes(bytes(100))
    state_path(target).write_text(
        '{"url": "u", "sha256": "a", "validator": null, "size": 200, "spans": [[0, 80]], '
        '"boot": ""}'
    )
    assert bytes_there(target, RemoteFile("m", "u", 200, "a")) == 80
    assert bytes_there(target, RemoteFile("m", "u", 200, "b")) == 0
    assert bytes_there(target, RemoteFile("m", "u", 300, "a")) == 0
    assert bytes_there(tmp_path / "none", RemoteFile("m", "u", 200, "a")) == 0


def test_a_disk_that_is_full_at_the_note_is_said_and_leaves_no_rest(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, real = server.put("/m.gguf", MODEL), Path.write_text

    def full(path: Path, text: str, *rest: Any, **named: Any) -> int:
        if path.name.endswith(".part.json.new"):
            real(path, text[:3], *rest, **named)
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, text, *rest, **named)

    monkeypatch.setattr(Path, "write_text", full)
    downloader = Downloader(patience=Patience(stall=5, pause=0, attempts=2))
    with pytest.raises(DiskFull, match="LOCALAI_STORE"):
        downloader.fetch(RemoteFile("m.gguf", url), tmp_path / "m.gguf")
    assert list(tmp_path.iterdir()) == []
