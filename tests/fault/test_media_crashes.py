"""`kill -9` of each engine in the middle of a call: a typed error, and the next call works."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.fault.conftest import Start
from tests.gateways import RunningGateway, eventually, is_alive
from tests.starter_calls import RED_CIRCLE, about_picture, picture_uri

_TIMEOUT = 120
Send = Callable[[RunningGateway], httpx2.Response]


def post(path: str, **body: Any) -> Send:
    return lambda gateway: httpx2.post(f"{gateway.url}{path}", json=body, timeout=_TIMEOUT)


def upload(gateway: RunningGateway) -> httpx2.Response:
    spoken = httpx2.post(
        f"{gateway.url}/v1/audio/speech",
        json={"input": "hello world", "voice": "alloy", "response_format": "wav"},
        timeout=_TIMEOUT,
    )
    return httpx2.post(
        f"{gateway.url}/v1/audio/transcriptions",
        files={"file": ("hello.wav", spoken.content)},
        timeout=_TIMEOUT,
    )


CALLS: dict[str, Send] = {
    "starter-chat": post(
        "/v1/chat/completions", messages=about_picture(picture_uri(RED_CIRCLE)), max_tokens=20
    ),
    "starter-embedding": post("/v1/embeddings", input=["one", "two"]),
    "starter-voice": post("/v1/audio/speech", input="Hello world.", voice="alloy"),
    "starter-image": post("/v1/images/generations", prompt="a red circle", response_format="url"),
    "starter-whisper": upload,
}


@pytest.mark.parametrize("model", sorted(CALLS))
def test_a_killed_engine_is_a_typed_error_and_comes_back(start: Start, model: str) -> None:
    gateway, send = start(), CALLS[model]
    assert send(gateway).status_code == 200
    pid = gateway.worker(model)["pid"]
    os.kill(pid, signal.SIGSTOP)  # it takes the call and will never answer
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send, gateway)
        eventually(lambda: gateway.worker(model)["running"] == 1)
        os.kill(pid, signal.SIGKILL)
        failed = answer.result(_TIMEOUT)
    assert failed.status_code == 502
    error = failed.json()["error"]
    assert error["code"] == "worker_crashed"
    assert "SIGKILL" in error["exit"]
    again = send(gateway)
    assert again.status_code == 200
    assert gateway.worker(model)["pid"] != pid
    assert not is_alive(pid)


def test_a_picture_of_a_killed_engine_is_still_there(start: Start) -> None:
    """What was drawn belongs to the gateway, not to the worker."""
    gateway = start()
    url = CALLS["starter-image"](gateway).json()["data"][0]["url"]
    os.kill(gateway.worker("starter-image")["pid"], signal.SIGKILL)
    assert base64.b64encode(httpx2.get(url, timeout=_TIMEOUT).content[:8]) == b"iVBORw0KGgo="
