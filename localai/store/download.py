"""The life of one file: fetched in parallel parts, continued after a kill, and verified."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localai.cards.importers.first_bytes import HEAD
from localai.network.failures import CHECK_THE_NETWORK
from localai.store.artifact import RemoteFile
from localai.store.content import check_head
from localai.store.errors import FetchFailed, Overtaken, Unreachable
from localai.store.hashing import sha256_of
from localai.store.partial import Partial
from localai.store.progress import Meter, Phase, Progress, Report
from localai.store.ranges import Span
from localai.store.source import Answer, Changed, Source, TryAgain

if TYPE_CHECKING:
    import httpx2

CHUNK = 8 << 20
_REPORT_EVERY = 0.1
_TICK = 0.25


@dataclass(frozen=True)
class Patience:
    """How long a download is tried.

    `stall` is the longest silence and `connect` the longest connecting, in seconds; after
    `attempts` failures without a new byte it ends, after `unreached` of them when no server has
    said a word. The pauses double from `pause` to `longest_pause`; a server that asks to wait
    longer than `longest_wait` is not waited for.
    """

    stall: float = 30.0
    connect: float = 10.0
    attempts: int = 6
    unreached: int = 2
    pause: float = 1.0
    longest_pause: float = 30.0
    longest_wait: float = 300.0


@dataclass(frozen=True)
class Fetched:
    """A file that is there: its sha256, its size, and how many bytes of it came over the line.

    `version` is what the source calls this content, None where it does not say.
    """

    sha256: str
    size: int
    received: int
    version: str | None = None


Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Terms:
    """How files are fetched: `parallel` requests at once, each for `chunk` bytes at most.

    `sleep` and `clock` are those of the machine, but for tests.
    """

    parallel: int = 4
    chunk: int = CHUNK
    patience: Patience = Patience()
    sleep: Sleep = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


class Download:
    """One file on its way to `target`, from the first request to the rename."""

    def __init__(self, terms: Terms, file: RemoteFile, target: Path, report: Report) -> None:
        self._terms = terms
        self._file = file
        self._target = target
        self._report = report
        self._meter = Meter()
        self._received = 0
        self._last_report = float("-inf")
        self._trouble = ""
        self._head_checked = False

    async def run(self) -> Fetched:
        """Fetch it; raises StoreError or RequestError, and keeps what has come where that helps."""
        before = _stamp(self._target)
        partial = await Partial.lock(self._target, self._file, self._waiting)
        try:
            if (there := _stamp(self._target)) is not None and there != before:
                return await self._fetched_by_another()
            async with self._client() as client:
                await partial.catch_up()
                ticking = asyncio.create_task(self._tick(partial))
                try:
                    await self._fetch(Source(client, self._file), partial)
                finally:
                    ticking.cancel()
            self._check_head(partial, whole=True)
            size = partial.ranges.count
            digest = await partial.finish()
        finally:
            partial.close()
        self._tell("done", size, size)
        return Fetched(digest, size, self._received, partial.validator)

    async def _fetched_by_another(self) -> Fetched:
        digest = await asyncio.to_thread(sha256_of, self._target)
        if self._file.sha256 not in {None, digest}:
            raise Overtaken(f"Another process put other bytes at {self._target}: try again.")
        return Fetched(digest, self._target.stat().st_size, 0)

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        from localai.network.clients import async_client

        patience, parallel = self._terms.patience, self._terms.parallel
        timeout = httpx2.Timeout(patience.stall, connect=patience.connect, pool=None)
        limits = httpx2.Limits(max_connections=parallel, max_keepalive_connections=parallel)
        return async_client(self._file.reach, self._file.certificates, limits, timeout=timeout)

    async def _fetch(self, source: Source, partial: Partial) -> None:
        """Make rounds until all is there, with pauses between those that fail."""
        failures, changes, most, reached = 0, 0, partial.ranges.count, False
        while not partial.is_complete:
            try:
                await self._round(source, partial)
                failures = 0
            except Changed:
                changes += 1
                partial.restart()
                if changes > 2:
                    raise FetchFailed(f"{self._file.source} changes while it is fetched.") from None
            except TryAgain as error:
                has_come = partial.ranges.count > most
                reached = reached or error.reached or has_come
                failures = 1 if has_come else failures + 1
                most = max(most, partial.ranges.count)
                await self._pause(error, failures, reached)

    async def _pause(self, error: TryAgain, failures: int, reached: bool) -> None:
        patience = self._terms.patience
        attempts = patience.attempts if reached else patience.unreached
        if failures >= attempts:
            said = f"{self._file.source} cannot be fetched: {error}."
            kept = "What has come is kept: the same command goes on from there."
            if not error.reached:
                host = urlsplit(self._file.url).netloc.rpartition("@")[2]
                advice = f"{CHECK_THE_NETWORK} {kept}"
                raise Unreachable(said, host=host, advice=advice) from error
            raise FetchFailed(said, advice=kept, retry_after=error.after) from error
        self._trouble = f"{error}, attempt {failures + 1} of {attempts}"
        wait = error.after
        if wait is None:
            wait = min(patience.longest_pause, patience.pause * 2 ** (failures - 1))
        if wait > patience.longest_wait:
            raise FetchFailed(
                f"{error}, and asks to wait {wait:.0f} s: try again then.", retry_after=wait
            ) from error
        await self._terms.sleep(wait)

    async def _round(self, source: Source, partial: Partial) -> None:
        """Fetch what is missing."""
        first = self._first_piece(partial)
        # Where the hash is known it decides, and mirrors that name versions differently are fine.
        condition = partial.validator if self._file.sha256 is None else None
        async with source.open(first, condition if partial.ranges.count else None) as answer:
            if answer.whole or answer.size is None:
                await self._take_whole(answer, partial)
                return
            if condition is not None and answer.validator not in {None, condition}:
                raise Changed
            partial.learn(answer.size, answer.validator)
            partial.check_space()
            rest = deque(
                piece for piece in partial.missing_pieces(self._terms.chunk) if piece[0] != first[0]
            )
            await self._take_parts(source, partial, answer, first, rest)

    def _first_piece(self, partial: Partial) -> Span:
        if partial.size is None:
            return partial.ranges.prefix, partial.ranges.prefix + self._terms.chunk
        pieces = partial.missing_pieces(self._terms.chunk)
        return pieces[0] if pieces else (0, 1)

    async def _take_whole(self, answer: Answer, partial: Partial) -> None:
        if not answer.whole:
            raise FetchFailed(f"{self._file.source} does not tell how long it is.")
        partial.restart()
        partial.learn(answer.size, answer.validator)
        partial.check_space()
        await self._take(answer, 0, None, partial)
        if partial.size is None:
            partial.size = partial.ranges.count
        if partial.missing_bytes:
            raise TryAgain("the answer ended too early")

    async def _take_parts(
        self, source: Source, partial: Partial, answer: Answer, first: Span, rest: deque[Span]
    ) -> None:
        others = min(self._terms.parallel - 1, len(rest))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._take_first(source, partial, answer, first, rest))
                for _ in range(others):
                    group.create_task(self._take_pieces(source, partial, rest))
        except BaseExceptionGroup as errors:
            raise _first_of(errors) from None

    async def _take_first(
        self, source: Source, partial: Partial, answer: Answer, first: Span, rest: deque[Span]
    ) -> None:
        await self._take(answer, first[0], first[1], partial)
        await answer.response.aclose()
        await self._take_pieces(source, partial, rest)

    async def _take_pieces(self, source: Source, partial: Partial, rest: deque[Span]) -> None:
        validator = partial.validator if self._file.sha256 is None else None
        while rest:
            start, end = rest.popleft()
            async with source.open((start, end), validator) as answer:
                if answer.whole or answer.size != partial.size:
                    raise Changed
                await self._take(answer, start, end, partial)

    async def _take(self, answer: Answer, at: int, end: int | None, partial: Partial) -> None:
        """Write the body; at most to `end`, whatever the server sends."""
        async for data in answer.response.aiter_raw():
            kept = data if end is None else data[: end - at]
            partial.write(at, kept)
            at += len(kept)
            self._received += len(kept)
            self._trouble = ""
            self._check_head(partial)
            self._tell("fetching", partial.ranges.count, partial.size)
            if partial.size is not None and at > partial.size:
                raise TryAgain("the answer is longer than announced")
            if end is not None and at >= end:
                break
        await partial.catch_up()

    def _check_head(self, partial: Partial, whole: bool = False) -> None:
        """Refuse a file that begins like another kind of file as soon as that can be seen."""
        if self._head_checked or not (whole or partial.ranges.prefix >= HEAD):
            return
        try:
            head, file = partial.head(HEAD), self._file
            check_head(file.path, head, file.source, file.trusted)
        except Exception:
            partial.discard()
            raise
        self._head_checked = True

    async def _tick(self, partial: Partial) -> None:
        """Report now and then also while nothing comes, so that a stall shows as one."""
        while True:
            await asyncio.sleep(_TICK)
            self._tell("fetching", partial.ranges.count, partial.size)

    def _waiting(self) -> None:
        self._tell("waiting", 0, self._file.size)

    def _tell(self, phase: Phase, done: int, total: int | None) -> None:
        now = self._terms.clock()
        if phase == "fetching" and now - self._last_report < _REPORT_EVERY and done != total:
            return
        self._last_report = now
        speed = self._meter.speed(now, done)
        self._report(Progress(self._file.path, phase, done, total, speed, self._trouble))


def _first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that counts: a final one before one that trying again may mend."""
    flat = [
        _first_of(error) if isinstance(error, BaseExceptionGroup) else error
        for error in errors.exceptions
    ]
    final = [error for error in flat if not isinstance(error, TryAgain | Changed)]
    return (final or [error for error in flat if isinstance(error, Changed)] or flat)[0]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
