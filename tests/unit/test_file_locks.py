from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from localai import file_locks
from localai.file_locks import is_locked, open_locked, wait_for_lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"x")
    return path


def test_several_hold_a_file_and_nobody_has_it_alone_then(path: Path) -> None:
    first, second = open_locked(path, shared=True), open_locked(path, shared=True)
    assert first is not None
    assert second is not None
    assert open_locked(path) is None
    assert is_locked(path)
    os.close(first)
    assert is_locked(path)
    os.close(second)
    assert not is_locked(path)


def test_what_is_not_there_is_not_locked(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "none")
    os.mkfifo(tmp_path / "fifo")
    assert not is_locked(tmp_path / "fifo")


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_what_cannot_be_opened_may_be_locked(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refused)
    assert is_locked(path)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP])
def test_a_file_system_without_locks_is_told_of_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    def none(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", none)
    monkeypatch.setattr(file_locks, "_told", False)
    for _ in range(3):
        descriptor = open_locked(path)
        assert descriptor is not None
        wait_for_lock(descriptor)
        os.close(descriptor)
    assert not is_locked(path)
    assert len(caplog.messages) == 1
    assert "knows no locks" in caplog.messages[0]


def test_a_file_system_that_locks_only_what_can_be_written_is_asked_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def as_nfs(descriptor: int, wanted: int) -> None:
        if not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        real(descriptor, wanted)

    monkeypatch.setattr(fcntl, "flock", as_nfs)
    descriptor = open_locked(path)
    assert descriptor is not None
    assert open_locked(path) is None
    os.close(descriptor)
