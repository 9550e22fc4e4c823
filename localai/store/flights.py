"""Downloads under way: callers of one target share one, which ends with the last of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from pathlib import Path

from localai.network.leaving import Cancel
from localai.network.reach import Reach
from localai.network.tls import Certificates
from localai.store.artifact import RemoteFile
from localai.store.download import CHUNK, Download, Fetched, Patience, Sleep, Terms
from localai.store.errors import Cancelled, wrong_hash
from localai.store.progress import Progress, Report

_LOOK = 0.05
_Key = tuple[Path, Reach, Certificates]


class Downloader:
    """Fetches files, each once for all who want it to lie at the same place."""

    def __init__(
        self,
        *,
        parallel: int = 4,
        chunk: int = CHUNK,
        patience: Patience | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terms = Terms(parallel, chunk, patience or Patience(), sleep, clock)
        self._flights: dict[_Key, _Flight] = {}
        self._lock = threading.Lock()

    def fetch(
        self,
        file: RemoteFile,
        target: Path,
        report: Report | None = None,
        cancel: Cancel | None = None,
    ) -> Fetched:
        """Fetch `file` to `target`, replacing what is there.

        Callers share what goes equally far and trusts the same: who may reach more neither fails
        with who may reach less nor fetches for him. Those meet at the target's lock, as two
        processes do. Raises StoreError or RequestError; Cancelled when `cancel` is set.
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
            key = _key(file, target)
            flight = self._flights.get(key)
            if flight is None or flight.outcome.done() or flight.abandoned:
                flight = _Flight(self._terms, file, target, previous=flight)
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


def _key(file: RemoteFile, target: Path) -> _Key:
    return target, file.reach, file.certificates


class _Flight:
    """One download under way, on an event loop and a thread of its own."""

    def __init__(
        self, terms: Terms, file: RemoteFile, target: Path, previous: _Flight | None
    ) -> None:
        self.target = target
        self.key = _key(file, target)
        self.passengers = 0
        self.reports: list[Report] = []
        self.outcome: Future[Fetched] = Future()
        self.ended = threading.Event()
        self.abandoned = False
        self._previous = previous
        self._work = Download(terms, file, target, self._report)
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
