"""A load generator that costs little: prepared bytes on raw keep-alive connections."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import orjson


@dataclass(frozen=True)
class Target:
    """Where requests go: a Unix socket, or a port on loopback."""

    name: str
    socket: Path | None = None
    port: int = 0

    async def connect(self) -> Connection:
        """Open a connection."""
        if self.socket is not None:
            reader, writer = await asyncio.open_unix_connection(str(self.socket), limit=2**22)
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**22)
        return Connection(reader, writer)


@dataclass
class Connection:
    """One connection, one request at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def call(self, request: bytes) -> bytes:
        """Return the body of an answer that has a content length."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        return await self.reader.readexactly(length)

    async def stream(self, request: bytes) -> int:
        """Return how many SSE frames a streamed answer has."""
        self.writer.write(request)
        frames, tail = 0, b""
        while b"data: [DONE]\n\n" not in tail:
            block = await self.reader.read(2**18)
            if not block:
                raise RuntimeError("the stream ended early")
            frames += block.count(b"data: {")
            tail = (tail + block)[-64:]
        await self.reader.readuntil(b"0\r\n\r\n") if not tail.endswith(b"0\r\n\r\n") else None
        return frames

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()


def chat_request(model: str, content: str, **fields: object) -> bytes:
    """Return the bytes of a chat call."""
    body = orjson.dumps(
        {"model": model, "messages": [{"role": "user", "content": content}], **fields}
    )
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Calls:
    """What a round of calls took, in seconds."""

    seconds: float
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Calls a second."""
        return len(self.latencies) / self.seconds

    @property
    def p50(self) -> float:
        """The median latency in milliseconds."""
        return statistics.median(self.latencies) * 1000


async def call_many(target: Target, request: bytes, clients: int, calls: int) -> Calls:
    """Make `calls` calls over `clients` connections."""
    connections = [await target.connect() for _ in range(clients)]
    latencies: list[float] = []

    async def client(connection: Connection) -> None:
        for _ in range(calls // clients):
            began = time.perf_counter()
            await connection.call(request)
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*map(client, connections))
    seconds = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return Calls(seconds, latencies)


async def stream_many(target: Target, request: bytes, streams: int) -> float:
    """Return the frames a second over `streams` streams at the same time."""
    connections = [await target.connect() for _ in range(streams)]
    began = time.perf_counter()
    frames = sum(await asyncio.gather(*(c.stream(request) for c in connections)))
    seconds = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return frames / seconds
