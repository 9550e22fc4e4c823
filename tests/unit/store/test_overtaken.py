"""Other processes that change the same files meanwhile: the next attempt mends it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localai.file_locks import open_locked
from localai.store.download import Patience
from localai.store.errors import FetchFailed
from localai.store.flights import Downloader
from localai.store.partial import part_path
from localai.store.progress import Progress
from localai.store.store import Store
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import FileServer

MODEL = gguf(50_000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    patience = Patience(stall=5, pause=0, attempts=2)
    return Store(tmp_path / "store", downloader=Downloader(patience=patience))


@pytest.mark.parametrize("phase", ["done", "linked"])
def test_a_file_that_goes_while_its_model_comes_is_tried_again(
    server: FileServer, store: Store, phase: str
) -> None:
    url = server.put("/m.gguf", MODEL)
    if phase == "linked":  # it was there when this pull began
        store.pull(url)

    def remove(progress: Progress) -> None:
        if progress.phase == phase:
            for path in store.folder.rglob("m.gguf"):
                path.unlink()

    with pytest.raises(FetchFailed, match="was removed while") as failed:
        store.pull(url, progress=remove)
    assert failed.value.retryable
    assert store.pull(url).model.read_bytes() == MODEL


def test_other_bytes_that_another_process_put_there_are_tried_again(
    server: FileServer, store: Store
) -> None:
    url = server.put("/m.gguf", MODEL)
    target = store.pull(url).model
    store.remove(url)
    target.parent.mkdir(parents=True)
    part_path(target).touch()
    held = [open_locked(part_path(target))]

    def put_others(progress: Progress) -> None:
        if progress.phase == "waiting" and held:
            target.write_bytes(gguf(50_000, 1))
            if (descriptor := held.pop()) is not None:
                os.close(descriptor)

    with pytest.raises(FetchFailed, match="put other bytes") as failed:
        store.pull(url, sha256=sha256(MODEL), progress=put_others)
    assert failed.value.retryable
