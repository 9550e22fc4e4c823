"""Looks after one worker process from its start to its end, and tells the pool what happens."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from localai.cards.model_files import resolve_option_paths, safe_model_path
from localai.cards.resolved import ResolvedCard
from localai.errors import LoadFailed, LocalAIError, WorkerCrashed, WorkerStopped
from localai.pool.connection import WorkerClient
from localai.pool.launchers.process import Process
from localai.pool.state import BecameReady, Event, Exited, FailedToLoad, Launched, WorkerKey
from localai.protocol.launch import LaunchSpec, WorkerInfo

log = logging.getLogger(__name__)
_DEATH_SECONDS = 2.0
"""How long a closed connection may take to turn out as the end of the process."""


class Launcher(Protocol):
    """Starts worker processes; where and how fenced is its own affair."""

    async def launch(self, spec: LaunchSpec) -> Process:
        """Start a worker; returns as soon as the process runs."""

    def close(self) -> None:
        """Give back what belongs to no single worker."""


class Worker:
    """A worker that is ready, as a lease hands it out."""

    def __init__(self, key: WorkerKey, process: Process, info: WorkerInfo) -> None:
        self.key = key
        self.process = process
        self.info = info
        self.client = WorkerClient(process.socket)
        self.started = time.time()
        self.is_stopping = False

    async def broken(self) -> LocalAIError:
        """Say why the connection broke: unloaded on purpose, or crashed and how."""
        try:
            async with asyncio.timeout(_DEATH_SECONDS):
                await self.process.wait()
        except TimeoutError:
            if not self.is_stopping:
                return WorkerCrashed(f"The worker of '{self.key.model}' closed the connection.")
        if self.is_stopping:
            return WorkerStopped(f"The model '{self.key.model}' was unloaded during the call.")
        return WorkerCrashed(
            f"The worker of '{self.key.model}' crashed: {self.process.obituary()}",
            details={"exit": self.process.exit_cause(), "last_lines": self.process.tail()},
        )


class Supervisor:
    """One worker process: launched, awaited, watched, stopped."""

    def __init__(
        self,
        key: WorkerKey,
        card: ResolvedCard,
        launcher: Launcher,
        post: Callable[[Event], None],
        *,
        lenient: bool,
    ) -> None:
        self.key = key
        self.worker: Worker | None = None
        self._card = card
        self._lenient = lenient
        self._launcher = launcher
        self._post = post
        self._process: Process | None = None
        self._launched = asyncio.Event()
        self._stop_asked = False
        self._task = asyncio.create_task(self._run(), name=f"supervise {key.model}")

    @property
    def pid(self) -> int | None:
        """The process id, None before the process runs."""
        return self._process.pid if self._process else None

    def memory_bytes(self) -> int | None:
        """Return the resident set of the process."""
        return self._process.memory_bytes() if self._process else None

    def stop(self) -> None:
        """End the process, in the background; its end is posted to the pool."""
        if not self._stop_asked:
            self._stop_asked = True
            self._stopping = asyncio.create_task(self._stop())

    async def wait(self) -> None:
        """Return when the process is gone."""
        await asyncio.wait({self._task})

    async def _stop(self) -> None:
        # A launch is never cut short: a process that nobody holds would stay.
        await self._launched.wait()
        if self.worker is not None:
            self.worker.is_stopping = True
            await self.worker.process.stop()
        elif self._process is not None:
            await self._process.stop(grace=0)

    async def _run(self) -> None:
        try:
            self.worker = await self._start()
        except LocalAIError as error:
            if not self._stop_asked:
                log.error("model %s did not load: %s", self.key.model, error.message)
            self._post(FailedToLoad(self.key, error))
        except Exception as error:
            log.exception("model %s did not load", self.key.model)
            self._post(FailedToLoad(self.key, LoadFailed(f"{type(error).__name__}: {error}")))
        else:
            self._post(BecameReady(self.key))
            await self._watch(self.worker)

    async def _start(self) -> Worker:
        began = time.monotonic()
        try:
            spec = launch_spec(self._card, lenient=self._lenient)
            self._process = process = await self._launcher.launch(spec)
        finally:
            self._launched.set()
        info = await process.ready(
            self._card.manifest.load_timeout, lambda: self._post(Launched(self.key))
        )
        log.info("model %s is ready after %.2f s", self.key.model, time.monotonic() - began)
        return Worker(self.key, process, info)

    async def _watch(self, worker: Worker) -> None:
        worker.is_stopping = self._stop_asked
        try:
            await worker.process.wait()
            if worker.is_stopping:
                log.info("model %s is unloaded", self.key.model)
            else:
                obituary = worker.process.obituary()
                log.error("model %s: its worker crashed: %s", self.key.model, obituary)
        finally:
            worker.client.close()
            self._post(Exited(self.key))


def launch_spec(card: ResolvedCard, *, lenient: bool) -> LaunchSpec:
    """Return what a worker for `card` is told; raises LoadFailed when its file is not there."""
    return LaunchSpec(
        name=card.name,
        backend=card.backend_folder,
        socket=Path("socket"),
        model=safe_model_path(card),
        options=resolve_option_paths(card),
        capabilities=list(card.capabilities),
        max_concurrent=card.card.limits.max_concurrent,
        lenient=lenient or card.card.lenient,
    )
