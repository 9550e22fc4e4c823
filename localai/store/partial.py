"""A file that is not whole yet: its bytes, and the state that tells which of them are there."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from localai.file_locks import try_lock
from localai.store.artifact import RemoteFile
from localai.store.errors import DiskFull, WrongFile, wrong_hash
from localai.store.hashing import git_oid
from localai.store.ranges import Ranges, Span
from localai.store.room import check_room, is_full, no_room

SAVE_EVERY = 1 << 20
"""Bytes between two saved states: so many are fetched again after a kill, at most."""

_BLOCK = 8 << 20
_LOCK_PAUSE = 0.1
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def part_path(target: Path) -> Path:
    """Return where the bytes of `target` are kept until it is whole."""
    return target.with_name(f"{target.name}.part")


def state_path(target: Path) -> Path:
    """Return where the state lies, which tells which bytes of `target` are there."""
    return target.with_name(f"{target.name}.part.json")


def remove_partial(target: Path) -> None:
    """Remove what is there of `target`, if anything."""
    part_path(target).unlink(missing_ok=True)
    state_path(target).unlink(missing_ok=True)


class Partial:
    """The file on its way to `target`, locked against other processes while this object lives.

    The state is written after the bytes it speaks of, so that what it counts is there after a kill
    of the process. After a crash of the machine it may be wrong: then only a file whose hash is
    known is continued.
    """

    def __init__(self, target: Path, descriptor: int, file: RemoteFile) -> None:
        self.target = target
        self.file = file
        self.ranges = Ranges()
        self.size = file.size
        self.validator: str | None = None
        self._descriptor = descriptor
        self._discarded = False
        self._unsaved = 0
        self._digest, self._digested = hashlib.sha256(), 0
        self._digesting = asyncio.Lock()
        self._load()

    @classmethod
    async def lock(cls, target: Path, file: RemoteFile, waiting: Callable[[], None]) -> Partial:
        """Wait until no other process fetches `target`; `waiting` is called now and then."""
        target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(part_path(target), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if try_lock(descriptor) and _is_at(descriptor, part_path(target)):
                return cls(target, descriptor, file)
            os.close(descriptor)
            waiting()
            await asyncio.sleep(_LOCK_PAUSE)

    def close(self) -> None:
        """Note what is there and let others continue."""
        if self._descriptor < 0:
            return
        if not self._discarded and not self.ranges.spans:
            remove_partial(self.target)
        elif not self._discarded:
            try:
                self.save()
            except (OSError, DiskFull):  # an older state is right, only shorter
                if not state_path(self.target).exists():
                    remove_partial(self.target)
        os.close(self._descriptor)
        self._descriptor = -1

    def learn(self, size: int | None, validator: str | None) -> None:
        """Note the size and the version that the server tells.

        Raises WrongFile when the size is another one than announced.
        """
        if size is not None and self.size is not None and size != self.size:
            self.discard()
            raise WrongFile(
                f"{self.file.source} has {size} bytes, but {self.size} were announced: nothing of "
                "it is kept. Try again later, or name another source.",
                details={"expected_size": self.size, "size": size},
            )
        self.size = size if size is not None else self.size
        self.validator = validator or self.validator

    def check_space(self) -> None:
        """Raise DiskFull when what is missing cannot fit."""
        check_room(self.target.parent, self.missing_bytes)

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset`."""
        try:
            view, at = memoryview(data), offset
            while view:
                written = os.pwrite(self._descriptor, view, at)
                view, at = view[written:], at + written
        except OSError as error:
            self._tell_if_full(error)
            raise
        self.ranges.add(offset, offset + len(data))
        self._unsaved += len(data)
        if self._unsaved >= SAVE_EVERY:
            self.save()

    @property
    def missing_bytes(self) -> int:
        """How many bytes are known to be missing."""
        return max(0, (self.size or 0) - self.ranges.count)

    @property
    def is_complete(self) -> bool:
        """Whether the size is known and all is there."""
        return self.size is not None and self.ranges.count == self.size

    def missing_pieces(self, longest: int) -> list[Span]:
        """Return what is missing, in pieces of at most `longest` bytes."""
        return self.ranges.missing(self.size or 0, longest)

    def restart(self) -> None:
        """Forget all bytes: what comes next begins at the first one."""
        os.ftruncate(self._descriptor, 0)
        self.ranges.remove_all()
        self.validator, self.size = None, self.file.size
        self._digest, self._digested = hashlib.sha256(), 0
        state_path(self.target).unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the file for good; only closing is left to be done."""
        remove_partial(self.target)
        self._discarded = True

    async def catch_up(self) -> None:
        """Take what is there without a gap into the hash, off the event loop."""
        async with self._digesting:
            while self._digested < self.ranges.prefix:
                await asyncio.to_thread(self._digest_block)

    async def finish(self) -> str:
        """Move the whole file to `target` and return its sha256.

        Raises WrongFile, and removes it, when the hash is not the announced one.
        """
        await self.catch_up()
        found = self._digest.hexdigest()
        if self.file.sha256 is not None and found != self.file.sha256.lower():
            self.discard()
            raise wrong_hash(self.file.source, found, self.file.sha256.lower())
        if self.file.sha256 is None and self.file.git_oid is not None:
            await self._check_git_oid(self.file.git_oid)
        await asyncio.to_thread(os.fsync, self._descriptor)
        os.replace(part_path(self.target), self.target)
        state_path(self.target).unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1
        return found

    def head(self, count: int) -> bytes:
        """Return the first bytes, as far as they are there."""
        return os.pread(self._descriptor, min(count, self.ranges.prefix), 0)

    def save(self) -> None:
        """Note which bytes are there."""
        if not self.ranges.spans:
            return
        state = {
            "url": self.file.source,
            "sha256": self.file.sha256,
            "validator": self.validator,
            "size": self.size,
            "spans": self.ranges.spans,
            "boot": _boot(),
        }
        path = state_path(self.target)
        fresh = path.with_name(f"{path.name}.new")
        try:
            fresh.write_text(json.dumps(state), "utf-8")
            os.replace(fresh, path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            self._tell_if_full(error)
            raise
        self._unsaved = 0

    def _tell_if_full(self, error: OSError) -> None:
        """Raise DiskFull, which says how much is missing, if that is what went wrong."""
        if is_full(error):
            raise no_room(self.target.parent, self.missing_bytes) from error

    def _load(self) -> None:
        state = read_state(self.target)
        if not self._continues(state):
            os.ftruncate(self._descriptor, 0)
            return
        there = os.fstat(self._descriptor).st_size
        spans = [(int(start), min(int(end), there)) for start, end in state["spans"]]
        self.ranges = Ranges(spans)
        self.size = state["size"] if self.size is None else self.size
        self.validator = state["validator"]

    def _continues(self, state: dict[str, Any]) -> bool:
        return _continues(state, replace(self.file, size=self.size))

    def _digest_block(self) -> None:
        length = min(_BLOCK, self.ranges.prefix - self._digested)
        block = os.pread(self._descriptor, length, self._digested)
        if not block:
            raise OSError(errno.EIO, "the file became shorter while it was fetched")
        self._digest.update(block)
        self._digested += len(block)

    async def _check_git_oid(self, expected: str) -> None:
        found = await asyncio.to_thread(git_oid, part_path(self.target))
        if found != expected:
            self.discard()
            raise wrong_hash(self.file.source, found, expected)


def read_state(target: Path) -> dict[str, Any]:
    """Return the state beside `target`, empty when there is none that can be used."""
    try:
        state = json.loads(state_path(target).read_text("utf-8"))
        spans = [(int(start), int(end)) for start, end in state["spans"]]
        keys = {"url", "sha256", "validator", "size", "boot"}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    good = keys <= state.keys() and all(0 <= start <= end for start, end in spans)
    return dict(state) if good else {}


def bytes_there(target: Path, file: RemoteFile) -> int:
    """Return how many bytes of `file` are there already, which a download to `target` keeps."""
    state = read_state(target)
    if not _continues(state, file):
        return 0
    with suppress(OSError):
        there = part_path(target).stat().st_size
        return Ranges([(a, min(b, there)) for a, b in state["spans"] if a < there]).count
    return 0


def _continues(state: dict[str, Any], file: RemoteFile) -> bool:
    if not state or (file.size is not None and state["size"] not in {None, file.size}):
        return False
    if file.sha256 is not None:
        return bool(state["sha256"] == file.sha256)
    same = state["url"] == file.source and state["boot"] == _boot()
    return same and state["validator"] is not None


def _is_at(descriptor: int, path: Path) -> bool:
    """Tell whether the locked file still has its name: the one before us may have moved it."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _boot() -> str:
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""
