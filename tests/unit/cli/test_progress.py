from __future__ import annotations

import os
import pty
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localai.cli.progress import progress_bar


@contextmanager
def watched_by_a_person(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Let standard error be a terminal, and yield what reads what is shown there."""
    reader, terminal = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    try:
        with os.fdopen(terminal, "w") as stream:
            monkeypatch.setattr(sys, "stderr", stream)
            yield reader
    finally:
        os.close(reader)


def read_until(reader: int, text: str) -> str:
    """Return what comes until `text` has come, which takes ten seconds at most."""
    shown, end = "", time.monotonic() + 10
    while text not in shown:
        assert select.select([reader], [], [], max(0.0, end - time.monotonic()))[0], shown
        shown += os.read(reader, 1 << 16).decode(errors="replace")
    return shown


def test_a_person_sees_a_bar_and_another_program_only_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with watched_by_a_person(monkeypatch) as reader:
        with progress_bar("Drawing") as advance:
            advance(0, 0)
            advance(3, 4)
            sys.stdout.write("for another program\n")
        shown = read_until(reader, "75%")
    assert "Drawing" in shown
    assert "another" not in shown
    assert capsys.readouterr().out == "for another program\n"


def test_where_nobody_watches_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("Drawing") as advance:
        advance(1, 2)
    assert capsys.readouterr() == ("", "")
