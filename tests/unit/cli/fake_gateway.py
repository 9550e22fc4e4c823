"""An HTTP server on the loopback that answers what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """A status, headers and a body; `hangs` keeps the connection open until the client leaves."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False


@dataclass
class Call:
    """What a client sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeGateway:
    """The answers by method and path, and the calls that came."""

    url: str
    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    client_left: threading.Event = field(default_factory=threading.Event)

    def answer(self, method: str, path: str, *answers: Answer) -> None:
        """Give `answers` one after the other, the last one for ever."""
        self.answers[method, path] = list(answers)

    def answer_json(self, method: str, path: str, body: Any, status: int = 200) -> None:
        """Answer with JSON."""
        self.answer(method, path, Answer(status, json.dumps(body).encode()))

    def next_answer(self, method: str, path: str) -> Answer:
        """Return what to answer to the next call."""
        answers = self.answers.get((method, path), [Answer(404)])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def sse(*pieces: str, end: str = "data: [DONE]\n\n") -> bytes:
    """Return a streamed chat answer of `pieces`."""
    frames = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    return ("".join(f"data: {json.dumps(frame)}\n\n" for frame in frames) + end).encode()


def events(*items: dict[str, Any] | str, end: str = "data: [DONE]\n\n") -> bytes:
    """Return a stream of events; a text is a comment."""
    frames = [f": {i}" if isinstance(i, str) else f"data: {json.dumps(i)}" for i in items]
    return ("".join(f"{frame}\n\n" for frame in frames) + end).encode()


def error(message: str) -> dict[str, Any]:
    """Return OpenAI's envelope around `message`."""
    return {"error": {"message": message, "type": "t", "param": None, "code": None}}


@contextmanager
def serve_fake_gateway() -> Iterator[FakeGateway]:
    """Run a fake gateway on a free port."""
    gateway = FakeGateway("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gateway))
    gateway.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(gateway: FakeGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self._body()
            headers = {name.lower(): value for name, value in self.headers.items()}
            gateway.calls.append(Call(self.command, self.path, headers, body))
            self._give(gateway.next_answer(self.command, self.path))

        def _body(self) -> Any:
            raw = self._chunked() if "transfer-encoding" in self.headers else self._sized()
            is_form = self.headers.get("content-type", "").startswith("multipart/")
            return raw if is_form or not raw else json.loads(raw)

        def _sized(self) -> bytes:
            return self.rfile.read(int(self.headers.get("content-length") or 0))

        def _chunked(self) -> bytes:
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def _give(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)
            self.wfile.flush()
            if answer.hangs and not self.connection.recv(1):
                gateway.client_left.set()

        do_GET = do_POST = do_DELETE = _take  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as inherited
            pass

    return Handler
