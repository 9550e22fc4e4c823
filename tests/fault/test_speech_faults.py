"""Speech that fails: before the first sound with a status, later so that the caller notices."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from tests.fault.calls import asking, error_of
from tests.fault.conftest import Start
from tests.gateways import DEADLINE, RunningGateway, eventually, is_alive
from tests.hearing import hear

ENDLESS = "[[slow=0.05]] [[words=20000]] word"
FORMATS = ["mp3", "opus", "aac", "flac", "wav", "pcm"]


def speech_body(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "echo", "input": text, **fields}


def say(gateway: RunningGateway, text: str, **fields: Any) -> httpx2.Response:
    url = f"{gateway.url}/v1/audio/speech"
    return httpx2.post(url, json=speech_body(text, **fields), timeout=DEADLINE)


@contextmanager
def saying(gateway: RunningGateway, text: str, **fields: Any) -> Iterator[httpx2.Response]:
    url = f"{gateway.url}/v1/audio/speech"
    body = speech_body(text, **fields)
    with httpx2.stream("POST", url, json=body, timeout=DEADLINE) as response:
        assert response.status_code == 200, response.read()
        yield response


def test_failure_that_is_known_in_time_keeps_its_status(start: Start) -> None:
    gateway = start()
    for fields in ({}, {"response_format": "wav"}, {"stream_format": "sse"}):
        refused = say(gateway, "hi [[fail=before]]", **fields)
        assert refused.status_code == 500
        assert error_of(refused)["code"] == "echo_fail_before"
    whole = say(gateway, "one two three four [[fail=mid]]", response_format="wav")
    assert whole.status_code == 500
    assert error_of(whole)["code"] == "echo_fail_mid"


def test_failure_in_the_middle_breaks_every_streamed_file(start: Start) -> None:
    gateway = start()
    for name in FORMATS:
        with (
            pytest.raises(httpx2.RemoteProtocolError),
            saying(
                gateway,
                "one two three four [[fail=mid]]",
                response_format=name,
                stream_format="audio",
            ) as response,
        ):
            response.read()
    assert hear(say(gateway, "still here").content).seconds > 0.3


def test_failure_in_the_middle_ends_events_with_an_error_frame(start: Start) -> None:
    gateway = start()
    codes = {"fail=mid": "echo_fail_mid", "crash=mid:SIGKILL": "worker_crashed"}
    for trigger, code in codes.items():
        text = f"one two three four [[{trigger}]] [[slow=0.01]]"
        with saying(gateway, text, stream_format="sse") as response:
            lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
        *deltas, last = lines
        assert {json.loads(delta)["type"] for delta in deltas} == {"speech.audio.delta"}
        assert json.loads(last)["error"]["code"] == code


def test_crash_in_the_middle_breaks_the_file_and_the_next_call_works(start: Start) -> None:
    gateway = start()
    with saying(gateway, "a b c d e f [[slow=60]]") as response:
        chunks = response.iter_raw()
        next(chunks)
        pid = gateway.worker("echo")["pid"]
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx2.RemoteProtocolError):
            list(chunks)
    eventually(lambda: not is_alive(pid))
    assert hear(say(gateway, "still here").content).seconds > 0.3


def test_broken_file_has_no_last_chunk_on_the_wire(start: Start) -> None:
    gateway = start()
    body = json.dumps(speech_body("one two three four [[fail=mid]]", response_format="pcm"))
    with socket.create_connection(("127.0.0.1", gateway.port), DEADLINE) as caller:
        caller.sendall(
            b"POST /v1/audio/speech HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body.encode())
        )
        raw = b"".join(iter(lambda: caller.recv(1 << 16), b""))
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding: chunked" in raw.lower()
    assert not raw.endswith(b"0\r\n\r\n")


def test_caller_who_leaves_ends_the_speech(start: Start) -> None:
    gateway = start()
    for fields in ({}, {"stream_format": "sse"}):
        with saying(gateway, ENDLESS, **fields) as response:
            next(response.iter_raw())
    eventually(lambda: gateway.worker_metric("echo", "cancelled_total") == 2)
    with asking(gateway, "/v1/audio/speech", speech_body(ENDLESS, response_format="wav")):
        eventually(lambda: gateway.worker_metric("echo", "sequences_running") == 1)
    eventually(lambda: gateway.worker_metric("echo", "cancelled_total") == 3)
    assert gateway.worker_metric("echo", "sequences_running") == 0
    assert gateway.worker_metric("echo", "spoken_words_total") < 20_000
    eventually(lambda: gateway.worker("echo")["running"] == 0)


def test_slow_reader_makes_the_speaker_wait(start: Start) -> None:
    gateway = start()
    say(gateway, "wake up")
    body = json.dumps(speech_body("[[words=4000]] word", response_format="pcm", sample_rate=48_000))
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.settimeout(DEADLINE)
        caller.connect(("127.0.0.1", gateway.port))
        caller.sendall(
            b"POST /v1/audio/speech HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body.encode())
        )
        eventually(lambda: gateway.worker_metric("echo", "sequences_running") == 1)
        assert hear(say(gateway, "somebody else").content).seconds > 0.3
        assert gateway.worker_metric("echo", "sequences_running") == 1
    eventually(lambda: gateway.worker_metric("echo", "sequences_running") == 0)
    assert gateway.worker_metric("echo", "cancelled_total") == 1
    assert gateway.worker_metric("echo", "spoken_words_total") < 4000
