"""What is told of a model before its weights come, and when that is too little to refuse it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from localai.gallery.pulled import refuse_not_run
from localai.references import parse_reference
from localai.store import preview
from localai.store.artifact import Artifact, RemoteFile
from localai.store.download import Patience
from localai.store.errors import AccessRefused
from localai.store.flights import Downloader
from localai.store.glance import glance
from localai.store.preview import look_ahead
from localai.store.store import Store
from tests.unit.store.content import gguf
from tests.unit.store.file_server import Fault, FileServer
from tests.unit.store.hub_server import Hub

WHISPER = {
    "config.json": b'{"alignment_heads": []}',
    "tokenizer.json": b"{}",
    "vocabulary.json": b"[]",
    "model.bin": b"\x06\0\0\0\x0c\0WhisperSpec\0" + bytes(9000),
}
GONE = {"content-range": "bytes */9"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    patience = Patience(stall=5, pause=0, attempts=2)
    downloader = Downloader(parallel=1, chunk=100_000, patience=patience)
    return Store(tmp_path / "store", downloader=downloader)


@pytest.fixture
def _any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "_WORTH", 0)


@pytest.mark.usefixtures("_any_size")
@pytest.mark.parametrize(
    "fault",
    [Fault(status=503), Fault(status=429), Fault(cut_at=4), Fault(status=416, headers=GONE)],
)
def test_a_fault_that_passes_does_not_refuse_a_model(hub: Hub, store: Store, fault: Fault) -> None:
    hub.put("org/whisper", WHISPER)
    hub.cdn.faults = [fault]
    assert store.pull("org/whisper", check=refuse_not_run).model.exists()
    assert hub.cdn.faults == []


def test_nothing_is_told_of_a_file_that_became_shorter(server: FileServer) -> None:
    url = server.put("/m.gguf", gguf(5000))
    server.faults = [Fault(status=416, headers=GONE)]
    assert glance(RemoteFile("m.gguf", url), 10) is None


def test_a_glance_tells_whether_all_came_that_was_asked_for(server: FileServer) -> None:
    file = RemoteFile("m.gguf", server.put("/m.gguf", gguf(5000)))
    for count, came in ((10, 10), (9000, 5000)):
        seen = glance(file, count)
        assert seen is not None
        assert (len(seen.head), seen.is_short) == (came, False)


@pytest.mark.usefixtures("_any_size")
def test_a_pull_that_goes_on_is_not_looked_at_again(hub: Hub, store: Store) -> None:
    hub.put("org/repo", {"repo-Q4_K_M.gguf": gguf(900_000)})
    hub.cdn.faults, hub.cdn.always = [Fault(), Fault()], Fault(status=403)
    with pytest.raises(AccessRefused):
        store.pull("org/repo", check=refuse_not_run)
    before, hub.cdn.always = len(hub.cdn.asked), None
    store.pull("org/repo", check=refuse_not_run)
    ranges = [one.headers["range"] for one in hub.cdn.asked[before:]]
    assert ranges
    assert not [one for one in ranges if one.startswith("bytes=0-")]


@pytest.mark.usefixtures("_any_size")
def test_what_is_not_fetched_is_as_long_as_it_will_be(hub: Hub, store: Store) -> None:
    files = {
        "config.json": b"{}",
        "tokenizer.json": b"[%s]" % (b" " * (2 << 20)),
        "model.safetensors": b"\x40" + bytes(7) + b'{"a": 1}' + bytes(500),
    }
    hub.put("org/repo", files)
    sizes: dict[str, int] = {}

    def check(folder: Path) -> None:
        sizes.update({path.name: path.stat().st_size for path in folder.iterdir()})

    store.pull("org/repo", check=check)
    assert sizes == {name: len(content) for name, content in files.items()}


def test_texts_of_unknown_size_are_read(server: FileServer) -> None:
    contents = {"config.json": b'{"a": 1}', "model.safetensors": bytes(500)}
    files = tuple(
        RemoteFile(name, server.put(f"/{name}", content), kind="model")
        for name, content in contents.items()
    )
    seen: list[bytes] = []
    artifact = Artifact(parse_reference("hf://org/repo"), "hf/org/repo", files)
    look_ahead(
        artifact, files, Downloader(), lambda folder: seen.append(
            (folder / "config.json").read_bytes()
        ), threading.Event(),
    )  # fmt: skip
    assert seen == [b'{"a": 1}']
