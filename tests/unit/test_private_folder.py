from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path

import pytest

from localai.private_folder import PrivateFolder


def is_locked(path: Path) -> bool:
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def test_a_folder_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    private = PrivateFolder(tmp_path, "kind")
    first = private.path
    assert private.path == first
    shutil.rmtree(first)
    assert private.path.is_dir()
    assert list(tmp_path.iterdir()) == [private.path]
    private.close()
    assert list(tmp_path.iterdir()) == []


def test_cleaners_of_the_temp_folder_see_a_lock(tmp_path: Path) -> None:
    private = PrivateFolder(tmp_path, "kind")
    folder = private.path
    assert is_locked(folder)
    assert is_locked(folder / "in-use")
    private.close()
    folder.mkdir()
    assert not is_locked(folder)


@pytest.mark.parametrize("closed", [False, True])
def test_locks_are_given_back(tmp_path: Path, closed: bool) -> None:
    private = PrivateFolder(tmp_path, "kind")
    for _ in range(3):
        shutil.rmtree(private.path)
        if closed:
            private.close()
    private.close()
    opened = (Path(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd"))
    assert [one for one in opened if os.path.realpath(one).startswith(str(tmp_path))] == []


def test_a_folder_in_use_is_not_swept_and_a_dead_one_is(tmp_path: Path) -> None:
    private = PrivateFolder(tmp_path, "kind")
    dead = tmp_path / "kind-1-dead"
    dead.mkdir()
    (dead / "in-use").touch()
    foreign = tmp_path / "kind-of-something-else"
    foreign.mkdir()
    folder = private.path
    PrivateFolder(tmp_path, "kind")
    assert set(tmp_path.iterdir()) == {folder, foreign}
    private.close()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_folder_is_made_and_nobody_elses_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def none(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", none)
    private = PrivateFolder(tmp_path, "kind")
    folder = private.path
    PrivateFolder(tmp_path, "kind")
    assert list(tmp_path.iterdir()) == [folder]
    private.close()
    assert list(tmp_path.iterdir()) == []
