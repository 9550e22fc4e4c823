"""Locks on open files that tell other processes, and containers on one volume, of each other.

They are the kernel's (`flock`): they end with the process that holds them, however it ends.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from pathlib import Path

_LOG = logging.getLogger("localai")
_WITHOUT_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
_told = False


def try_lock(descriptor: int, *, shared: bool = False, strict: bool = False) -> bool:
    """Lock an open file or folder for this descriptor, if nobody else's is against; never waits.

    Where the file system knows no locks it goes on without, which is logged once; with `strict`
    it raises OSError, for those who take away what nobody has locked.
    """
    wanted = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, wanted | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if strict:
            raise
        _go_on_without(error)
    return True


def wait_for_lock(descriptor: int, *, shared: bool = False) -> None:
    """Lock an open file for this descriptor, when the one before us has ended."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    except OSError as error:
        _go_on_without(error)


def open_locked(path: Path, *, shared: bool = False, strict: bool = False) -> int | None:
    """Return an open descriptor that holds the lock of `path`; None where another one has it.

    Raises OSError where the file cannot be opened, and as `try_lock` does.
    """
    # Only to read: a file that is opened to be written is copied up by overlay file systems.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if try_lock(descriptor, shared=shared, strict=strict):
            return descriptor
    except OSError as error:
        # NFS locks for writing only what is open for writing.
        if error.errno != errno.EBADF:
            os.close(descriptor)
            raise
        return _open_to_write(path, descriptor, strict)
    os.close(descriptor)
    return None


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds a lock on `path`, or may, as it is there and cannot be opened."""
    try:
        descriptor = open_locked(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # of too many open files, say: those who ask take away what is free
        return True
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _open_to_write(path: Path, readable: int, strict: bool) -> int | None:
    os.close(readable)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if try_lock(descriptor, strict=strict):
            return descriptor
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _go_on_without(error: OSError) -> None:
    global _told
    if error.errno not in _WITHOUT_LOCKS:
        raise error
    if not _told:
        _told = True
        _LOG.warning(
            "This file system knows no locks (%s): processes that share files are not told of each "
            "other there.",
            error.strerror,
        )
