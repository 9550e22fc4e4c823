"""A pull that nobody wants any more ends at once, whatever it waits for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from localai.file_locks import open_locked, try_lock
from localai.gallery.pulled import refuse_not_run
from localai.store import archives, preview
from localai.store.artifact import RemoteFile
from localai.store.errors import Cancelled, WrongFile
from localai.store.flights import Downloader
from localai.store.progress import Progress
from localai.store.store import Store
from tests.unit.cli.minimal_gguf import minimal_gguf
from tests.unit.store.file_server import Asked, Fault, FileServer, Reply
from tests.unit.store.hub_server import Hub
from tests.unit.store.registry_server import tar_of

AT_ONCE = 12.0
"""Seconds, on a slow machine too; what is waited for here takes 15 and more."""


class Asking:
    """Sets `cancel` when a server has been asked, and does not answer before its test ends."""

    def __init__(self, server: FileServer) -> None:
        self.cancel = threading.Event()
        self._server = server

    def silent(self, _: Asked) -> Reply:
        self.cancel.set()
        self._server.go_on.wait(60)
        return 503, {}, b""

    def busy(self, _: Asked) -> Reply:
        self.cancel.set()
        return 503, {"retry-after": "15"}, b""


@pytest.mark.parametrize("how", ["silent", "busy"])
@pytest.mark.parametrize("kind", ["hub", "registry", "ollama"])
def test_asking_what_there_is_is_left(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, kind: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    text, path = {
        "hub": ("hf://org/repo", "/api/models/org/repo"),
        "registry": (f"oci://{server.origin}/a/b:c", "/v2/a/b/manifests/c"),
        "ollama": (f"ollama://{server.origin}/a/b:c", "/v2/a/b/manifests/c"),
    }[kind]
    asking = Asking(server)
    server.routes[path] = getattr(asking, how)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        Store(tmp_path).pull(text, cancel=asking.cancel)
    assert time.monotonic() - began < AT_ONCE
    assert [one.path.partition("?")[0] for one in server.asked].count(path) == 1


def test_a_glance_is_left(
    server: FileServer, other_server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(preview, "_WORTH", 0)
    Hub(server, other_server).put("org/repo", {"m-Q4_K_M.gguf": minimal_gguf() + bytes(9000)})
    other_server.always = Fault(pause_at=100)
    cancel, began = threading.Event(), time.monotonic()

    def leave() -> None:
        other_server.reached.wait(20)
        cancel.set()

    wish = threading.Thread(target=leave)
    wish.start()
    with pytest.raises(Cancelled):
        Store(tmp_path).pull("org/repo", check=refuse_not_run, cancel=cancel)
    assert time.monotonic() - began < AT_ONCE
    wish.join()


def test_waiting_for_who_unpacks_into_the_same_folder_is_left(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, cancel = Store(tmp_path), threading.Event()
    url = server.put("/models/voice.tar", tar_of({"voice.onnx": b"ONNX"}))
    folder = store.pull(url).folder
    server.put("/models/voice.tar", tar_of({"voice.onnx": b"NEWER"}))

    def asked(descriptor: int) -> bool:
        cancel.set()  # not before, as that would end the download
        return try_lock(descriptor)

    held = open_locked(folder)
    assert held is not None
    monkeypatch.setattr(archives, "try_lock", asked)
    with pytest.raises(Cancelled, match="Unpacking into"):
        store.pull(url, force=True, cancel=cancel)
    os.close(held)
    assert store.pull(url, force=True).model.read_bytes() == b"NEWER"


def test_a_file_that_fails_ends_the_others_and_leaves_the_callers_event(
    server: FileServer, other_server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    files = {"config.json": b"{}", "model.safetensors": bytes(8) + b"{" + bytes(90_000)}
    Hub(server, other_server).put("org/repo", files)
    other_server.always = Fault(pause_at=100)  # the weights would take forever
    cancel, began = threading.Event(), time.monotonic()

    def fail(progress: Progress) -> None:
        if progress.path == "config.json" and progress.phase == "done":
            raise WrongFile("it is refused")

    with pytest.raises(WrongFile, match="refused"):
        Store(tmp_path).pull("org/repo", progress=fail, cancel=cancel)
    assert time.monotonic() - began < AT_ONCE
    assert not cancel.is_set()


def test_a_login_that_is_renewed_is_left(server: FileServer, tmp_path: Path) -> None:
    url, cancel = server.put("/m.gguf", minimal_gguf()), threading.Event()
    server.needs["/m.gguf"] = "Bearer fresh"

    def renew() -> Mapping[str, str]:
        cancel.set()
        server.go_on.wait(20)
        return {}

    began = time.monotonic()
    with pytest.raises(Cancelled):
        Downloader().fetch(RemoteFile("m.gguf", url, renew=renew), tmp_path / "m", cancel=cancel)
    assert time.monotonic() - began < AT_ONCE
