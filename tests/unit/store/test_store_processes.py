"""Downloads of real processes: killed, side by side, on a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localai.store.artifact import RemoteFile
from localai.store.download import Patience
from localai.store.errors import DiskFull
from localai.store.flights import Downloader
from localai.store.partial import part_path, read_state, state_path
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import Fault, FileServer
from tests.unit.store.pull_once import waiting_mark

ROOT = Path(__file__).parents[3]
CHUNK = 8 << 20
MODEL = gguf(40 << 20)


def start(url: str, target: Path, digest: str = "-") -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "tests.unit.store.pull_once"]
    return subprocess.Popen(
        [*program, url, str(target), str(CHUNK), digest], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def noted(target: Path) -> int:
    return sum(end - start for start, end in read_state(target).get("spans", ()))


@pytest.mark.parametrize("known", [True, False])
def test_after_a_kill_at_most_one_chunk_is_fetched_again(
    server: FileServer, tmp_path: Path, known: bool
) -> None:
    url, target = server.put("/m.gguf", MODEL), tmp_path / "m.gguf"
    digest = sha256(MODEL) if known else "-"
    # Each of the ranges stops midway, so that all four are under way at the kill.
    server.always = Fault(pause_at=5 << 20)
    killed = start(url, target, digest)
    wait_until(lambda: noted(target) > 15 << 20)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    arrived = os.stat(part_path(target)).st_blocks * 512

    server.always = None
    server.go_on.set()
    again = start(url, target, digest)
    out, err = again.communicate(timeout=60)

    assert again.returncode == 0, err
    assert target.read_bytes() == MODEL
    fetched_twice = int(out.split()[1]) - (len(MODEL) - arrived)
    assert 0 <= fetched_twice <= CHUNK
    assert not state_path(target).exists()


def test_two_processes_fetch_one_file_once(server: FileServer, tmp_path: Path) -> None:
    url, target = server.put("/m.gguf", MODEL), tmp_path / "m.gguf"
    server.always = Fault(pause_at=1 << 20)
    both = [start(url, target), start(url, target)]
    wait_until(lambda: len(server.asked) == 4)
    wait_until(waiting_mark(target).exists)  # else it would begin anew after the first
    server.go_on.set()
    ends = [process.communicate(timeout=60) for process in both]

    assert [process.returncode for process in both] == [0, 0], ends
    assert sorted(int(out.split()[1]) for out, _ in ends) == [0, len(MODEL)]
    assert server.sent == len(MODEL)
    assert target.read_bytes() == MODEL


def test_the_second_process_goes_on_when_the_first_is_killed(
    server: FileServer, tmp_path: Path
) -> None:
    url, target = server.put("/m.gguf", MODEL), tmp_path / "m.gguf"
    server.always = Fault(pause_at=5 << 20)
    first = start(url, target)
    wait_until(lambda: noted(target) > 15 << 20)
    second = start(url, target)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    server.always = None
    server.go_on.set()
    out, err = second.communicate(timeout=60)

    assert second.returncode == 0, err
    assert target.read_bytes() == MODEL
    assert int(out.split()[1]) < len(MODEL) - (15 << 20)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_before_the_first_byte_and_midway(
    server: FileServer, small_disk: Path
) -> None:
    downloader = Downloader(patience=Patience(stall=5))
    file = RemoteFile("m.gguf", server.put("/m.gguf", MODEL))
    with pytest.raises(DiskFull, match=r"41\.9 MB are needed"):
        downloader.fetch(file, small_disk / "m.gguf")
    assert list(small_disk.iterdir()) == []

    server.ranges = server.lengths = False  # nobody can tell before
    with pytest.raises(DiskFull, match="LOCALAI_STORE"):
        downloader.fetch(file, small_disk / "m.gguf")
    assert not (small_disk / "m.gguf").exists()
