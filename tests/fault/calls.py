"""Calls as a fault test makes them: plain HTTP, nothing retried."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2

from tests.gateways import DEADLINE, RunningGateway


def chat_body(content: str, model: str = "echo", **fields: object) -> dict[str, Any]:
    """Return the body of a chat call."""
    return {"model": model, "messages": [{"role": "user", "content": content}], **fields}


def chat(gateway: RunningGateway, content: str, **fields: Any) -> httpx2.Response:
    """Make one chat call on a connection of its own."""
    body = chat_body(content, **fields)
    return httpx2.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=DEADLINE)


def answer_of(response: httpx2.Response) -> str:
    """Return the text of a whole answer."""
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


def error_of(response: httpx2.Response) -> dict[str, Any]:
    """Return the error of a refused call."""
    assert response.status_code >= 400, response.text
    return dict(response.json()["error"])


@contextmanager
def streaming(gateway: RunningGateway, content: str, **fields: Any) -> Iterator[Iterator[str]]:
    """Yield the `data:` payloads of a streamed call as they come."""
    body = chat_body(content, stream=True, **fields)
    url = f"{gateway.url}/v1/chat/completions"
    with httpx2.stream("POST", url, json=body, timeout=DEADLINE) as response:
        assert response.status_code == 200, response.read()
        yield (line[6:] for line in response.iter_lines() if line.startswith("data: "))


@contextmanager
def asking(gateway: RunningGateway, path: str, body: dict[str, Any]) -> Iterator[None]:
    """Have somebody call who leaves without an answer when the block ends."""
    content = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", gateway.port), DEADLINE) as caller:
        caller.sendall(
            b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b"
            % (path.encode(), len(content), content)
        )
        yield


@contextmanager
def held(pid: int) -> Iterator[None]:
    """Stop a process meanwhile: what it is asked takes as long as the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stream_text(payloads: list[str]) -> str:
    """Return the text that a stream's payloads carry."""
    chunks = [json.loads(p) for p in payloads if p.startswith('{"id"')]
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks)


@contextmanager
def in_background() -> Iterator[ThreadPoolExecutor]:
    """Run calls at the same time; all have ended when the block ends."""
    with ThreadPoolExecutor(32) as pool:
        yield pool


def results(futures: list[Future[httpx2.Response]]) -> list[httpx2.Response]:
    """Return the answers of calls in the background."""
    return [future.result(DEADLINE) for future in futures]
