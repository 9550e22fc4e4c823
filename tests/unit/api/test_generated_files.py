from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.api import generated_files
from localai.api.generated_files import PREFIX, GeneratedFiles
from localai.api.spool import Spool, write_whole
from localai.errors import CapacityError, FileNotFound
from tests.unit.api.full_disk import fill_disk


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path)
    yield spool
    spool.close()


def name_of(path: str) -> str:
    return path.removeprefix(f"{PREFIX}/")


async def test_file_is_found_with_its_kind_until_its_time_is_over(spool: Spool) -> None:
    clock = Clock()
    files = GeneratedFiles(spool, 60, clock)
    name = name_of(await files.add(b"picture", "image/webp"))
    clock.now += 59.9
    found = files.find(name)
    assert (found.path.read_bytes(), found.media_type) == (b"picture", "image/webp")
    clock.now += 0.1
    with pytest.raises(FileNotFound, match="LOCALAI_FILE_TTL"):
        files.find(name)
    assert not found.path.exists()


async def test_only_what_is_over_is_removed(spool: Spool) -> None:
    clock = Clock()
    files = GeneratedFiles(spool, 60, clock)
    old = files.find(name_of(await files.add(b"old", "image/png")))
    clock.now += 30
    young = files.find(name_of(await files.add(b"young", "image/png")))
    clock.now += 30
    files.remove_expired()
    assert not old.path.exists()
    assert young.path.exists()


async def test_nothing_is_removed_where_files_live_for_ever(spool: Spool) -> None:
    clock = Clock()
    files = GeneratedFiles(spool, math.inf, clock)
    name = name_of(await files.add(b"picture", "image/png"))
    clock.now += 1e9
    assert files.find(name).path.exists()


async def test_names_cannot_be_guessed_and_are_all_different(spool: Spool) -> None:
    files = GeneratedFiles(spool, 60)
    names = {name_of(await files.add(b"same", "image/jpeg")) for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}\.jpeg", name) for name in names)


@pytest.mark.parametrize("name", ["", ".", "..", "../in-use", "/etc/passwd", "x.png", "a/b", "\0"])
async def test_only_names_that_were_given_out_lead_to_files(spool: Spool, name: str) -> None:
    files = GeneratedFiles(spool, 60)
    await files.add(b"picture", "image/png")
    with pytest.raises(FileNotFound):
        files.find(name)


async def test_file_that_somebody_took_away_is_forgotten_quietly(spool: Spool) -> None:
    clock = Clock()
    files = GeneratedFiles(spool, 60, clock)
    name = name_of(await files.add(b"picture", "image/png"))
    files.find(name).path.unlink()
    with pytest.raises(FileNotFound):
        files.find(name)
    clock.now += 61
    files.remove_expired()


def stored(folder: Path) -> list[Path]:
    return list(folder.rglob("*.png"))


async def test_full_disk_leaves_neither_file_nor_address(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = GeneratedFiles(spool, 60)
    fill_disk(monkeypatch, after=4)
    with pytest.raises(CapacityError, match=r"No space left.*LOCALAI_SPOOL_DIR") as refused:
        await files.add(b"picture", "image/png")
    assert refused.value.code == "upload_not_stored"
    assert stored(tmp_path) == []
    files.remove_expired()


async def test_the_loop_does_not_wait_for_the_disk(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[threading.Thread] = []

    def watched(path: Path, content: bytes) -> None:
        writers.append(threading.current_thread())
        write_whole(path, content)

    monkeypatch.setattr(generated_files, "write_whole", watched)
    await GeneratedFiles(spool, 60).add(b"picture", "image/png")
    assert writers != []
    assert threading.main_thread() not in writers
