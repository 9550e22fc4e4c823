"""The web server that carries the gateway's app."""

from __future__ import annotations

import math
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from localai.cli.failures import FAILED, INTERRUPTED
from localai.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections, so that it is them who close: else a call may be sent
into a connection that is just being closed."""


class GatewayServer(uvicorn.Server):
    """Announces itself once it answers, and ends at once when asked a second time.

    `let_go` ends the streams that would else go on as long as their job.
    """

    def __init__(
        self, config: uvicorn.Config, announce: Callable[[], None], let_go: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._let_go = let_go

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._let_go()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own forced end still waits for calls in their cleanup; a third one does not.
        if self.force_exit:
            os._exit(INTERRUPTED)
        super().handle_exit(sig, frame)


def serve(
    app: FastAPI, listener: socket.socket, settings: Settings, announce: Callable[[], None]
) -> int:
    """Serve `app` until SIGTERM or SIGINT, let running calls end, and return the exit code."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # anybody can send them; a proxy's address is the setting public_url
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.drain_timeout),
    )
    server = GatewayServer(config, announce, app.state.gateway.jobs.end_watches)
    # uvicorn raises the signals again when it is done: a drained gateway ended as it should.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])
    if server.force_exit:
        return INTERRUPTED
    return FAILED if app.state.has_failed else 0
