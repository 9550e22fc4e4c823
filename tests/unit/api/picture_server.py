"""A web server with pictures, on this machine."""

from __future__ import annotations

import asyncio

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


class PictureServer:
    """Answers each path with the bytes that a test gives it; keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.heads: list[str] = []
        self.silent = asyncio.Event()

    async def __aenter__(self) -> PictureServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.silent.set()
        self._server.close()
        await self._server.wait_closed()

    def says(self, path: str, body: bytes, status: str = "200 OK", *headers: str) -> str:
        """Answer `path` so; returns its URL."""
        head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
        self.answers[path] = "\r\n".join([*head, "", ""]).encode() + body
        return self.url + path

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        path = head.split(" ")[1]
        if path == "/silence":
            await self.silent.wait()
        else:
            writer.write(self.answers[path])
        writer.close()
