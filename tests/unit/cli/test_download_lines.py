from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localai.cli.download_bars import DownloadLines, download_bars
from localai.store.progress import Progress
from tests.unit.store.content import gguf
from tests.unit.store.file_server import Fault, serve_files

MB = 10**6


def test_where_nobody_watches_a_line_comes_every_ten_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    lines = DownloadLines(clock=lambda: now)
    for second in range(26):
        now = float(second)
        lines.show(Progress("a/m.gguf", "fetching", second * MB, 26 * MB, MB))
    lines.show(Progress("a/m.gguf", "done", 26 * MB, 26 * MB))
    lines.show(Progress("quick.json", "fetching", 1, 2))
    lines.show(Progress("quick.json", "done", 2, 2))
    assert capsys.readouterr().err.splitlines() == [
        "a/m.gguf: 10.0 MB of 26.0 MB, 1.0 MB/s, 16 s left",
        "a/m.gguf: 20.0 MB of 26.0 MB, 1.0 MB/s, 6 s left",
        "a/m.gguf: 26.0 MB of 26.0 MB, done",
    ]


def test_a_waiting_file_of_unknown_size_is_told_and_cannot_steer_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    moments = iter([0.0, 11.0])
    lines = DownloadLines(clock=lambda: next(moments))
    for _ in range(2):
        lines.show(Progress("m\x1b[2J.gguf", "waiting", 0, None))
    assert capsys.readouterr().err == "m\\x1b[2J.gguf: 0 B, waiting for another download\n"


def test_what_is_wrong_with_the_line_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    moments = iter([0.0, 11.0])
    lines = DownloadLines(clock=lambda: next(moments))
    trouble = "nothing came for 30 s, attempt 2 of 6"
    for _ in range(2):
        lines.show(Progress("m.gguf", "fetching", 5 * MB, 26 * MB, MB, trouble=trouble))
    assert capsys.readouterr().err == f"m.gguf: 5.0 MB of 26.0 MB, {trouble}\n"


def test_an_interruption_says_that_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), download_bars():
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "Stopped: the same command goes on where it was.\n"


def test_a_pull_that_is_interrupted_ends_at_once_with_130(tmp_path: Path) -> None:
    with serve_files() as server:
        url = server.put("/m.gguf", gguf(3 * MB))
        server.always = Fault(hang_at=MB)
        command = [sys.executable, "-c", "from localai.cli import main; main()", "pull", url]
        folders = ["--store", str(tmp_path / "store"), "--models", str(tmp_path)]
        with subprocess.Popen(command + folders, stderr=subprocess.PIPE, text=True) as pull:
            reached = server.reached.wait(30)
            pull.send_signal(signal.SIGINT)
            _, said = pull.communicate(timeout=30)
    assert reached
    assert (pull.returncode, said.strip()) == (
        130,
        "Stopped: the same command goes on where it was.",
    )
