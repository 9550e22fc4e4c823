"""HTTP/1.1 to one worker over its Unix socket, as thin as the gateway's budget asks for.

A general HTTP client costs several times as much a call as the whole rest of the gateway
(`benchmarks/gateway_echo.py` shows what is left), so this one does only what a worker needs:
keep-alive, back-pressure, and a close that the worker sees as a cancel. Parsing is httptools'.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import httptools

_HIGH_WATER = 256 * 1024
"""Bytes held for a slow reader before the worker is made to wait."""


class WorkerGone(ConnectionError):
    """The worker closed the connection before its answer was complete."""


class WorkerResponse:
    """One answer of a worker: the head is here, the body comes in chunks."""

    def __init__(self, connection: _Connection, client: WorkerClient) -> None:
        self._connection = connection
        self._client = client
        self.status = connection.status
        self.headers = connection.headers

    async def read(self) -> bytes:
        """Return the whole body; raises WorkerGone when it breaks off."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives, several pieces at once where the reader is slower."""
        while chunk := await self._connection.next_chunk():
            yield chunk

    def close(self) -> None:
        """Keep the connection when the answer is complete, else close it, which cancels."""
        self._client.release(self._connection)


class WorkerClient:
    """Connections to one worker."""

    def __init__(self, socket: Path) -> None:
        self._socket = str(socket)
        self._idle: list[_Connection] = []

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: bytes = b""
    ) -> WorkerResponse:
        """Send a request and return its answer once the head is there.

        `headers` are complete lines, each with its line end. Raises WorkerGone.
        """
        connection = await self._connect()
        connection.send(
            b"%b %b HTTP/1.1\r\nhost: worker\r\ncontent-length: %d\r\n%b\r\n%b"
            % (method.encode(), path.encode(), len(body), headers, body)
        )
        try:
            await connection.wait_for_head()
        except BaseException:
            connection.close()
            raise
        return WorkerResponse(connection, self)

    def release(self, connection: _Connection) -> None:
        """Take a connection back for the next call, unless its answer is incomplete."""
        if connection.is_reusable():
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def _connect(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_reusable():
                return connection
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_unix_connection(_Connection, self._socket)
        except OSError as error:
            raise WorkerGone(f"no connection to the worker: {error}") from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection; httptools calls the `on_…` methods while it parses."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._lost = False
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._body: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._head_complete = False
        self.complete = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []

    def send(self, request: bytes) -> None:
        """Start a new exchange."""
        self._begin()
        self._open_transport().write(request)

    async def wait_for_head(self) -> None:
        """Return once status and headers are known."""
        while not self._head_complete:
            await self._wait()

    async def next_chunk(self) -> bytes:
        """Return all that has arrived, `b""` at the end of the body."""
        while not self._body:
            if self.complete:
                return b""
            await self._wait()
        chunk = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        self._buffered = 0
        if self._paused:
            self._paused = False
            self._open_transport().resume_reading()
        return chunk

    def is_reusable(self) -> bool:
        """Tell whether another request may be sent."""
        return self.complete and not self._lost and not self._open_transport().is_closing()

    def close(self) -> None:
        """Close at once; a worker that still answers takes it as a cancel."""
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if self._lost:
            raise WorkerGone("the worker closed the connection")
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _open_transport(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._lost = True
            self.close()
        if self._buffered > _HIGH_WATER and not self._paused and not self.complete:
            self._paused = True
            self._open_transport().pause_reading()
        self._wake()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._head_complete = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        self.complete = True
