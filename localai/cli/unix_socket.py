"""A Unix socket to listen on: made for its owner and group, never taken from a living gateway."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localai.errors import ConfigError
from localai.file_locks import try_lock

BACKLOG = 2048
_NOT_FOR_OTHERS = 0o117
"""The umask that makes a socket 0660."""
_PATIENCE = 5.0
"""Seconds that another start in the same folder, or a silent listener, may take."""
_WITHIN = 107
"""Bytes that a socket's path may have (unix(7): 108 with the end)."""


@contextmanager
def unix_socket(path: Path) -> Iterator[socket.socket]:
    """Listen on `path` and remove it at the end; what a dead gateway left there is replaced.

    Raises ConfigError where another program listens there, or where no socket can be made.
    """
    check_socket(path)
    try:
        with _only_start_in(path.parent):
            _remove_stale(path)
            listener = _listen(path)
    except OSError as error:
        raise _refusal(f"Cannot listen on {path}: {error.strerror or error}.") from error
    made = _identity(path)
    try:
        with listener:
            yield listener
    finally:
        # While this gateway drained, the next one may have put its own socket there.
        if made is not None and _identity(path) == made:
            path.unlink(missing_ok=True)


def check_socket(path: Path) -> None:
    """Raise ConfigError for a path where no socket can be; nothing is made or called."""
    if not path.parent.is_dir():
        raise _refusal(f"socket: the folder {path.parent} does not exist: create it first.")
    if len(os.fsencode(path)) > _WITHIN:
        text = f"socket: {path} is longer than the {_WITHIN} bytes that a socket's path may have."
        raise _refusal(f"{text} Choose a shorter one with --socket.")


@contextmanager
def _only_start_in(folder: Path) -> Iterator[None]:
    """Let two gateways look, remove and bind one after the other; the kernel frees the lock."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(opened, folder)
        yield
    finally:
        os.close(opened)


def _lock(opened: int, folder: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while not try_lock(opened):
        if time.monotonic() > end:
            raise _refusal(f"socket: another program holds a lock on {folder}.")
        time.sleep(0.01)


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise _refusal(
            f"socket: {path} is there already and is no socket: choose another path with --socket."
        )
    if _is_answered(path):
        raise _refusal(
            f"Another program listens on {path}: stop it, or choose another path with --socket."
        )
    path.unlink()


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(_PATIENCE)
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            return True  # its queue of callers is full
    return True


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(_NOT_FOR_OTHERS)  # chmod after bind would leave a moment for others
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _identity(path: Path) -> tuple[int, ...] | None:
    with suppress(OSError):
        found = path.lstat()
        # The number alone is given to the next file; a chmod changes neither.
        return found.st_dev, found.st_ino, found.st_mtime_ns
    return None


def _refusal(text: str) -> ConfigError:
    return ConfigError(text, param="socket")
