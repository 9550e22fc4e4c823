from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from localai.cli.addresses import curl_words
from localai.cli.listening import open_socket
from localai.cli.unix_socket import unix_socket
from localai.errors import ConfigError


def leave_stale(path: Path) -> None:
    """Leave what a gateway leaves that was killed."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(str(path)) == 0


def test_owner_and_group_may_call_whatever_the_umask_says(tmp_path: Path) -> None:
    path = tmp_path / "s"
    before = os.umask(0o077)
    try:
        with unix_socket(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert answers(path)
            assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)


def test_it_is_gone_at_the_end_also_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with unix_socket(path):
        assert path.exists()
    assert not path.exists()
    with pytest.raises(KeyError), unix_socket(path):
        raise KeyError
    assert not path.exists()


def test_what_a_dead_gateway_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    leave_stale(path)
    assert path.is_socket()

    with unix_socket(path):
        assert answers(path)


def test_a_living_gateway_keeps_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with unix_socket(path):
        with pytest.raises(ConfigError, match=r"Another program listens on .*--socket"):
            unix_socket(path).__enter__()
        assert answers(path)


def test_a_living_gateway_whose_queue_is_full_keeps_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(ConfigError, match="Another program listens"):
            unix_socket(path).__enter__()


def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(path)

    for one in (path, link):
        with pytest.raises(ConfigError, match="is no socket: choose another path"):
            unix_socket(one).__enter__()
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "message"),
    [("none/s", "does not exist: create it first"), ("s" * 120, "longer than the 107 bytes")],
)
def test_a_path_that_cannot_be_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        unix_socket(tmp_path / name).__enter__()
    assert caught.value.param == "socket"


def test_the_socket_of_the_next_gateway_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with unix_socket(path) as listener:
        listener.close()  # it drains, and answers nobody new
        following = unix_socket(path)
        following.__enter__()
    assert answers(path)
    following.__exit__(None, None, None)
    assert not path.exists()


def test_of_several_starts_at_once_one_has_the_socket(tmp_path: Path) -> None:
    for round_ in range(20):
        path = tmp_path / str(round_)
        leave_stale(path)
        barrier = threading.Barrier(4)
        taken: list[bool] = []
        refused: list[str] = []

        def start(path: Path, barrier: threading.Barrier, taken: list[bool],
                  refused: list[str]) -> None:  # fmt: skip
            barrier.wait(10)
            try:
                with unix_socket(path):
                    taken.append(answers(path))
                    barrier.wait(10)
            except ConfigError as error:
                refused.append(error.message)
                barrier.wait(10)

        threads = [
            threading.Thread(target=start, args=(path, barrier, taken, refused)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert (taken, len(refused)) == ([True], 3)


def test_a_host_that_is_a_path_leads_to_the_right_flag() -> None:
    with pytest.raises(ConfigError, match=r"use --socket /run/x\.sock"):
        open_socket("/run/x.sock", 0)


def test_the_line_to_try_can_be_pasted() -> None:
    assert curl_words("http://127.0.0.1:80") == "curl http://127.0.0.1:80"
    shown = curl_words("unix:///run/my box/s")
    assert shown == "curl --unix-socket '/run/my box/s' http://localhost"


def test_a_file_system_without_locks_has_sockets_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    leave_stale(tmp_path / "s")
    with unix_socket(tmp_path / "s"):
        assert answers(tmp_path / "s")


def test_who_holds_the_lock_of_the_folder_is_not_waited_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localai.cli.unix_socket._PATIENCE", 0.05)
    opened = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(opened, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match="holds a lock"), unix_socket(tmp_path / "s"):
        pass
    os.close(opened)
