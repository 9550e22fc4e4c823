"""The worker's HTTP client against a server that sends exactly the bytes a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from localai.pool.connection import WorkerClient, WorkerGone

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"


@asynccontextmanager
async def serving(tmp_path: Path, handler: Handler) -> AsyncIterator[WorkerClient]:
    path = tmp_path / "s"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(handle, str(path))
    client = WorkerClient(path)
    try:
        yield client
    finally:
        client.close()
        server.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head, await reader.readexactly(length)


async def test_request_carries_method_path_headers_and_body(tmp_path: Path) -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(HEAD + b"content-length: 2\r\n\r\nok")

    async with serving(tmp_path, handler) as client:
        response = await client.request("POST", "/v1/x", b"body", b"x-extra: 1\r\n")
        assert (response.status, await response.read()) == (200, b"ok")
    ((head, body),) = seen
    assert head.startswith(b"POST /v1/x HTTP/1.1\r\n")
    assert b"\r\nx-extra: 1\r\n" in head
    assert body == b"body"


async def test_chunked_body_arrives_however_it_is_cut(tmp_path: Path) -> None:
    raw = HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for byte in raw:
            writer.write(bytes([byte]))
            await writer.drain()

    async with serving(tmp_path, handler) as client:
        assert await (await client.request("GET", "/")).read() == b"hello, world"


async def test_complete_answer_keeps_its_connection(tmp_path: Path) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(3):
            await read_request(reader)
            writer.write(HEAD + b"content-length: 1\r\n\r\nx")

    async with serving(tmp_path, handler) as client:
        for _ in range(3):
            response = await client.request("GET", "/")
            assert await response.read() == b"x"
            response.close()
    assert connections == 1


async def test_incomplete_answer_closes_its_connection(tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HEAD + b"content-length: 100\r\n\r\npart")
        assert await reader.read() == b""
        closed.set()

    async with serving(tmp_path, handler) as client:
        response = await client.request("GET", "/")
        assert await anext(response.chunks()) == b"part"
        response.close()
        await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200", HEAD + b"content-length: 9\r\n\r\nhalf"])
async def test_connection_that_breaks_off_raises(tmp_path: Path, sent: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(sent)

    async with serving(tmp_path, handler) as client:
        with pytest.raises(WorkerGone):
            await (await client.request("GET", "/")).read()


async def test_bytes_that_are_no_http_raise(tmp_path: Path) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"SSH-2.0-nonsense\r\n\r\n")

    async with serving(tmp_path, handler) as client:
        with pytest.raises(WorkerGone):
            await client.request("GET", "/")


async def test_no_socket_raises(tmp_path: Path) -> None:
    with pytest.raises(WorkerGone, match="no connection"):
        await WorkerClient(tmp_path / "absent").request("GET", "/")


async def test_stale_connection_is_replaced(tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HEAD + b"content-length: 1\r\n\r\nx")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with serving(tmp_path, handler) as client:
        for _ in range(2):
            response = await client.request("GET", "/")
            assert await response.read() == b"x"
            response.close()
            await closed.wait()
            await asyncio.sleep(0)


async def test_slow_reader_makes_the_worker_wait(tmp_path: Path) -> None:
    """A worker that sends 64 MiB to a caller that does not read is stopped by back-pressure."""
    block = b"x" * 65536
    sent = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(HEAD + b"content-length: %d\r\n\r\n" % (len(block) * 1024))
        for _ in range(1024):
            writer.write(block)
            await writer.drain()
            sent += len(block)

    async with serving(tmp_path, handler) as client:
        response = await client.request("GET", "/")
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            for _ in range(200):
                await asyncio.sleep(0)
        assert 0 < sent < 4 * 2**20
        assert len(await response.read()) == len(block) * 1024
