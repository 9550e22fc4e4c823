"""HTTP over a bare socket, so that tests see the very bytes."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.gateways import DEADLINE, RunningGateway

_HEAD_END = b"\r\n\r\n"


@dataclass
class Answer:
    """One answer; `chunks` are the pieces of a chunked body as the server cut them."""

    status: int
    headers: dict[str, str]
    chunks: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    def json(self) -> Any:
        return json.loads(self.body)

    def error(self) -> dict[str, Any]:
        """Return the error of a refused call, whose envelope holds nothing else."""
        assert self.headers["content-type"] == "application/json"
        envelope = self.json()
        assert list(envelope) == ["error"]
        return dict(envelope["error"])

    def frames(self) -> list[str]:
        """Return what stands behind `data: ` in each frame of a stream."""
        assert self.text.endswith("\n\n")
        frames = self.text.removesuffix("\n\n").split("\n\n")
        assert all(frame.startswith("data: ") for frame in frames)
        return [frame.removeprefix("data: ") for frame in frames]


@contextmanager
def connection(gateway: RunningGateway) -> Iterator[socket.socket]:
    """Open a socket to the gateway."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=DEADLINE) as sock:
        yield sock


def request_bytes(method: str, path: str, body: bytes = b"", headers: str = "") -> bytes:
    """Return a request; `headers` are whole lines, and replace the length when they name it."""
    length = "" if "content-length" in headers or "chunked" in headers else f"{len(body)}"
    lines = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}"
    if length:
        lines += f"content-length: {length}\r\n"
    return lines.encode() + b"\r\n" + body


def ask(
    gateway: RunningGateway, method: str, path: str, body: bytes = b"", headers: str = ""
) -> Answer:
    """Make one call on a connection of its own."""
    with connection(gateway) as sock:
        sock.sendall(request_bytes(method, path, body, headers))
        return read_answer(sock, has_body=method != "HEAD")


def post(gateway: RunningGateway, path: str, headers: str = "", **body: Any) -> Answer:
    """Make one call with a JSON body."""
    return ask(gateway, "POST", path, json.dumps(body).encode(), headers)


def chat(gateway: RunningGateway, content: str, **fields: Any) -> Answer:
    """Make one chat call."""
    messages = [{"role": "user", "content": content}]
    return post(gateway, "/v1/chat/completions", messages=messages, **fields)


def read_answer(sock: socket.socket, *, has_body: bool = True) -> Answer:
    """Read one answer to its end, and not a byte more."""
    answer = _parse_head(_read_until(sock, _HEAD_END))
    if not has_body:
        return answer
    if answer.headers.get("transfer-encoding") == "chunked":
        answer.chunks = list(_read_chunks(sock))
    else:
        answer.chunks = [_read_exactly(sock, int(answer.headers["content-length"]))]
    return answer


def _parse_head(head: bytes) -> Answer:
    status, *lines = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    assert len(headers) == len(pairs), "no header may come twice"
    return Answer(int(status.split(" ")[1]), headers)


def _read_chunks(sock: socket.socket) -> Iterator[bytes]:
    while size := int(_read_until(sock, b"\r\n"), 16):
        yield _read_exactly(sock, size)
        assert _read_exactly(sock, 2) == b"\r\n"
    assert _read_exactly(sock, 2) == b"\r\n"


def _read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        data += _read_exactly(sock, 1)
    return data


def _read_exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, f"the connection ended after {data!r}"
        data += piece
    return data


def normal(text: str) -> str:
    """Return `text` with every id and time made the same, so that it can be compared."""
    text = re.sub(r'"id":"(chatcmpl|cmpl)-[\w-]{20,}"', r'"id":"\1-ID"', text)
    return re.sub(r'"created":1\d{9}\b', '"created":0', text)
