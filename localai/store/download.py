"""The one downloader: parallel, continued after a kill, verified, and shared by its callers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localai.cards.importers.first_bytes import HEAD
from localai.network.reach import Reach
from localai.store.artifact import RemoteFile
from localai.store.content import check_head
from localai.store.errors import Cancelled, FetchFailed, Overtaken, Unreachable
from localai.store.partial import Partial, wrong_hash
from localai.store.progress import Meter, Progress, Report
from localai.store.ranges import Span
from localai.store.source import Answer, Changed, Source, TryAgain

if TYPE_CHECKING:
    import httpx2

CHUNK = 8 << 20
_LOOK = 0.05
_REPORT_EVERY = 0.1
_TICK = 0.25


@dataclass(frozen=True)
class Patience:
    """How long a download is tried.

    `stall` is the longest silence and `connect` the longest connecting, in seconds; after
    `attempts` failures without a new byte it ends, after `unreached` of them when no server ever
    answered. The pauses double from `pause` to `longest_pause`; a server that asks to wait longer
    than `longest_wait` is not waited for.
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
_Key = tuple[Path, Reach]


class Downloader:
    """Fetches files; callers of one target share one download, which ends with the last of them."""

    def __init__(
        self,
        *,
        parallel: int = 4,
        chunk: int = CHUNK,
        patience: Patience | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.parallel = parallel
        self.chunk = chunk
        self.patience = patience or Patience()
        self.sleep = sleep
        self.clock = clock
        self._flights: dict[_Key, _Flight] = {}
        self._lock = threading.Lock()

    def fetch(
        self,
        file: RemoteFile,
        target: Path,
        report: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> Fetched:
        """Fetch `file` to `target`, replacing what is there.

        Callers share what goes equally far: who may reach more neither fails with who may reach
        less nor fetches for him. Those meet at the target's lock, as two processes do. Raises
        StoreError or RequestError; Cancelled when `cancel` is set.
        """
        flight = self._join(file, target.absolute(), report)
        try:
            while not flight.outcome.done():
                if cancel is not None and cancel.is_set():
                    raise Cancelled(f"Fetching {file.path} was cancelled.")
                flight.ended.wait(_LOOK)
            fetched = flight.outcome.result()
            # The one who began it may have expected something else.
            if file.sha256 not in {None, fetched.sha256}:
                raise wrong_hash(file.source, fetched.sha256, str(file.sha256))
            return fetched
        finally:
            self._leave(flight, report)

    def _join(self, file: RemoteFile, target: Path, report: Report | None) -> _Flight:
        with self._lock:
            key = (target, file.reach)
            flight = self._flights.get(key)
            if flight is None or flight.outcome.done() or flight.abandoned:
                flight = _Flight(self, file, target, previous=flight)
                self._flights[key] = flight
                flight.start()
            flight.passengers += 1
            if report is not None:
                flight.reports.append(report)
            return flight

    def _leave(self, flight: _Flight, report: Report | None) -> None:
        with self._lock:
            flight.passengers -= 1
            if report is not None:
                flight.reports.remove(report)
            if flight.passengers:
                return
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
        flight.stop()


@cache
def shared_downloader() -> Downloader:
    """Return the downloader of this process, so that all its callers share what is under way."""
    return Downloader()


class _Flight:
    """One download under way, on an event loop and a thread of its own."""

    def __init__(
        self, owner: Downloader, file: RemoteFile, target: Path, previous: _Flight | None
    ) -> None:
        self.target = target
        self.key = (target, file.reach)
        self.passengers = 0
        self.reports: list[Report] = []
        self.outcome: Future[Fetched] = Future()
        self.ended = threading.Event()
        self.abandoned = False
        self._previous = previous
        self._work = _Download(owner, file, target, self._report)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Fetched] | None = None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"fetch {file.path}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until all is written and unlocked."""
        self.abandoned = True
        self._begun.wait()
        if self._loop is not None and self._task is not None and not self.ended.is_set():
            with suppress(RuntimeError):  # the loop has ended in between
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _report(self, progress: Progress) -> None:
        for report in list(self.reports):
            report(progress)

    def _run(self) -> None:
        try:
            if self._previous is not None:
                self._previous._thread.join()
            self.outcome.set_result(asyncio.run(self._main()))
        except asyncio.CancelledError:
            self.outcome.set_exception(Cancelled(f"Fetching {self.target.name} was cancelled."))
        except BaseException as error:
            self.outcome.set_exception(error)
        finally:
            self._begun.set()
            self.ended.set()

    async def _main(self) -> Fetched:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._begun.set()
        return await self._work.run()


class _Download:
    """The life of one file from the first request to the rename."""

    def __init__(self, owner: Downloader, file: RemoteFile, target: Path, report: Report) -> None:
        self._owner = owner
        self._file = file
        self._target = target
        self._report = report
        self._meter = Meter()
        self._received = 0
        self._last_report = float("-inf")
        self._head_checked = False

    async def run(self) -> Fetched:
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
        from localai.store.hashing import sha256_of

        digest = await asyncio.to_thread(sha256_of, self._target)
        if self._file.sha256 not in {None, digest}:
            raise Overtaken(f"Another process put other bytes at {self._target}: try again.")
        return Fetched(digest, self._target.stat().st_size, 0)

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        from localai.network.clients import async_client

        patience, parallel = self._owner.patience, self._owner.parallel
        timeout = httpx2.Timeout(patience.stall, connect=patience.connect, pool=None)
        limits = httpx2.Limits(max_connections=parallel, max_keepalive_connections=parallel)
        return async_client(self._file.reach, limits, timeout=timeout)

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
                reached = reached or error.reached
                failures = 1 if partial.ranges.count > most else failures + 1
                most = max(most, partial.ranges.count)
                await self._pause(error, failures, reached)

    async def _pause(self, error: TryAgain, failures: int, reached: bool) -> None:
        patience = self._owner.patience
        if failures >= (patience.attempts if reached else patience.unreached):
            message = (
                f"{self._file.source} cannot be fetched: {error}. What has come is kept: the same "
                "command goes on from there."
            )
            if not error.reached:
                host = urlsplit(self._file.url).netloc.rpartition("@")[2]
                raise Unreachable(message, host=host) from error
            raise FetchFailed(message, retry_after=error.after) from error
        wait = error.after
        if wait is None:
            wait = min(patience.longest_pause, patience.pause * 2 ** (failures - 1))
        if wait > patience.longest_wait:
            raise FetchFailed(
                f"{error}, and asks to wait {wait:.0f} s: try again then.", retry_after=wait
            ) from error
        await self._owner.sleep(wait)

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
                piece for piece in partial.missing_pieces(self._owner.chunk) if piece[0] != first[0]
            )
            await self._take_parts(source, partial, answer, first, rest)

    def _first_piece(self, partial: Partial) -> Span:
        if partial.size is None:
            return partial.ranges.prefix, partial.ranges.prefix + self._owner.chunk
        pieces = partial.missing_pieces(self._owner.chunk)
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
        others = min(self._owner.parallel - 1, len(rest))
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

    def _tell(self, phase: str, done: int, total: int | None) -> None:
        now = self._owner.clock()
        if phase == "fetching" and now - self._last_report < _REPORT_EVERY and done != total:
            return
        self._last_report = now
        speed = self._meter.speed(now, done)
        self._report(Progress(self._file.path, phase, done, total, speed))  # type: ignore[arg-type]


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
