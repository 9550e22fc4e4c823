"""`python -m localai.worker FOLDER`: run the worker that `FOLDER/launch.json` describes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
import uvloop
from pydantic import BaseModel
from starlette.applications import Starlette

from localai.errors import LocalAIError
from localai.protocol.launch import Failed, LaunchSpec, Loading, Ready
from localai.protocol.manifest import read_manifest
from localai.worker.held_files import files_in_use, hold
from localai.worker.host import create_worker_app
from localai.worker.lifeline import die_with_parent
from localai.worker.loading import import_backend

DRAIN_SECONDS = 5
"""How long running answers may take after SIGTERM before they are cut."""


def main() -> int:
    """Run a worker until it is told to end; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    spec = LaunchSpec.model_validate_json((Path(sys.argv[1]) / "launch.json").read_bytes())
    if spec.status_fd is not None:
        # What the engine starts must not hold the pipe: its end tells that this process is gone.
        os.set_inheritable(spec.status_fd, False)
    if spec.parent_pid is not None:
        die_with_parent(spec.parent_pid)
    return uvloop.run(_run(spec))


async def _run(spec: LaunchSpec) -> int:
    _tell(spec, Loading())
    try:
        manifest = read_manifest(spec.backend)
        # Before the engine reads them, and until this process ends: nobody closes these.
        await asyncio.to_thread(hold, files_in_use(spec, manifest))
        backend = import_backend(spec.backend, manifest)(spec)
        info = await backend.load()
    except Exception as error:
        traceback.print_exc()
        _tell(spec, _failure(error))
        return 1
    app = create_worker_app(backend, info)
    server = _Server(_uvicorn_config(app), on_started=lambda: _tell(spec, Ready(info=info)))
    try:
        await server.serve(sockets=[_listen(spec.socket)])
    finally:
        await backend.unload()
    return 0


def _uvicorn_config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        server_header=False,
        date_header=False,
    )


class _Server(uvicorn.Server):
    """Tells when the socket accepts connections."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End politely on SIGTERM; uvicorn's own way raises it again, which skips the unload."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen(1024)
    return sock


def _failure(error: Exception) -> Failed:
    if isinstance(error, LocalAIError):
        return Failed(message=error.message, code=error.code)
    return Failed(message=f"{type(error).__name__}: {error}")


def _tell(spec: LaunchSpec, status: BaseModel) -> None:
    if spec.status_fd is not None:
        os.write(spec.status_fd, status.model_dump_json().encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
