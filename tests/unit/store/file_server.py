"""An HTTP server on the loopback that serves bytes in ranges, and can do so badly."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_BLOCK = 1 << 16


@dataclass
class Fault:
    """What goes wrong with one request.

    `cut_at` closes the connection after so many bytes of the body; `hang_at` stops sending there
    until the client leaves; `pause_at` until `FileServer.go_on` is set; `status` answers that
    instead; `flip` damages the first byte; `longer` announces so many bytes more than there are.
    """

    cut_at: int | None = None
    hang_at: int | None = None
    pause_at: int | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    flip: bool = False
    longer: int = 0


@dataclass
class Asked:
    """A request and how many bytes of its body were sent, be it to a client who left."""

    method: str
    path: str
    headers: dict[str, str]
    sent: int = 0


Reply = tuple[int, dict[str, str], bytes]


@dataclass
class FileServer:
    """The files by path, what goes wrong with the next requests, and the requests that came."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    routes: dict[str, Callable[[Asked], Reply]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None
    ranges: bool = True
    lengths: bool = True
    etags: bool = True
    asked: list[Asked] = field(default_factory=list)
    needs: dict[str, str] = field(default_factory=dict)
    go_on: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, path: str, content: bytes) -> str:
        """Serve `content` at `path`, and return its address."""
        self.files[path] = content
        return f"{self.url}{path}"

    @property
    def sent(self) -> int:
        """How many bytes of files went out in all."""
        return sum(one.sent for one in self.asked if urlsplit(one.path).path in self.files)

    @property
    def origin(self) -> str:
        """The host and port."""
        return self.url.partition("://")[2]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], files: FileServer, tls: ssl.SSLContext | None
    ) -> None:
        self.files = files
        super().__init__(address, _Handler)
        if tls is not None:  # each handler's thread shakes hands, so that none keeps others waiting
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, except that a client left, as tests let them."""
        if not isinstance(sys.exc_info()[1], ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)


@contextmanager
def serve_files(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    """Run a server on a free port of `host`, an address of the loopback."""
    files = FileServer("")
    server = _Server((host, 0), files, tls)
    files.url = f"{'http' if tls is None else 'https'}://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield files
    finally:
        files.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def nobody() -> Iterator[str]:
    """Give a host and port where nobody listens, and nobody else can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@cache
def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    @property
    def files(self) -> FileServer:
        return self.server.files

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers)
        with self.files.lock:
            self.files.asked.append(asked)
            is_file = urlsplit(self.path).path in self.files.files
            fault = self.files.faults.pop(0) if self.files.faults and is_file else self.files.always
        try:
            self._reply(asked, fault if is_file else None)
        except ConnectionError:  # the client left, or a route of a test cuts the line
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def _reply(self, asked: Asked, fault: Fault | None) -> None:
        path = urlsplit(self.path).path
        if (wanted := self.files.needs.get(path)) and asked.headers.get("authorization") != wanted:
            return self._simple(401, {"www-authenticate": "Basic"}, b"")
        if fault is not None and fault.status is not None:
            return self._simple(fault.status, fault.headers, b"busy")
        if path in self.files.redirects:
            return self._simple(302, {"location": self.files.redirects[path]}, b"")
        if path in self.files.routes:
            return self._simple(*self.files.routes[path](asked))
        if path not in self.files.files:
            return self._simple(404, {}, b"none")
        return self._file(asked, path, fault or Fault())

    def _simple(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self, asked: Asked, path: str, fault: Fault) -> None:
        content = self.files.files[path]
        span = self._span(asked, content)
        start, end = span or (0, len(content))
        if start >= len(content) and span is not None:
            self._simple(416, {"content-range": f"bytes */{len(content)}"}, b"")
            return
        self.send_response(200 if span is None else 206)
        if span is not None:
            self.send_header("content-range", f"bytes {start}-{end - 1}/{len(content)}")
        if self.files.etags:
            self.send_header("etag", _tag(content))
        self.send_header("content-type", self.files.types.get(path, "application/octet-stream"))
        if self.files.lengths:
            self.send_header("content-length", str(end - start + fault.longer))
        else:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._body(asked, content[start:end], fault)

    def _span(self, asked: Asked, content: bytes) -> tuple[int, int] | None:
        """Return the part that was asked for, None where all is sent."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", ""))
        same = asked.headers.get("if-range", _tag(content)) == _tag(content)
        if wanted is None or not self.files.ranges or not same:
            return None
        return int(wanted[1]), min(int(wanted[2]) + 1, len(content))

    def _body(self, asked: Asked, body: bytes, fault: Fault) -> None:
        if fault.flip:
            body = bytes([body[0] ^ 1]) + body[1:]
        stops = [at for at in (fault.cut_at, fault.hang_at, fault.pause_at) if at is not None]
        stop = min([*stops, len(body)])
        self._send(asked, body[:stop])
        if stops or fault.longer:
            self.files.reached.set()
        if fault.hang_at is not None:
            self.connection.recv(1)
        if fault.pause_at is not None:
            self.files.go_on.wait(60)
            self._send(asked, body[stop:])
        if fault.cut_at is not None or fault.hang_at is not None or fault.longer:
            self.close_connection = True
        if not self.files.lengths:
            self.close_connection = True

    def _send(self, asked: Asked, body: bytes) -> None:
        for at in range(0, len(body), _BLOCK):
            block = body[at : at + _BLOCK]
            asked.sent += len(block)  # first: who has all bytes may look at once
            self.wfile.write(block)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as inherited
        pass
