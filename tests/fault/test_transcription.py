"""Recognisers that do not load, and workers that die with a recording in their hands."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import httpx2
import numpy as np
import pytest

from tests.fault.calls import error_of, in_background
from tests.fault.conftest import Start
from tests.gateways import DEADLINE, RunningGateway, eventually
from tests.starter_whisper import MODEL, as_wav, say

ECHO = {"echo": "name: echo\nbackend: echo\n"}


def transcribe(
    gateway: RunningGateway, audio: bytes = b"one two", **fields: str
) -> httpx2.Response:
    return httpx2.post(
        f"{gateway.url}/v1/audio/transcriptions",
        files={"file": ("upload", audio)}, data=fields, timeout=DEADLINE,
    )  # fmt: skip


def card(model: Path, **options: object) -> dict[str, str]:
    said = json.dumps(options)
    return {"hears": f"name: hears\nbackend: faster_whisper\nmodel: {model}\noptions: {said}\n"}


def test_model_without_its_tokenizer_does_not_load_and_says_so(
    start: Start, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(MODEL, tmp_path / "broken"))
    (model / "tokenizer.json").unlink()
    gateway = start(card(model))
    refused = transcribe(gateway, model="hears")
    error = error_of(refused)
    assert (refused.status_code, refused.headers["x-should-retry"]) == (500, "false")
    assert (error["code"], error["phase"]) == ("model_load_failed", "load")
    assert "has no tokenizer.json, the tokenizer" in error["message"]


def test_crash_gives_the_caller_a_typed_end_and_the_next_call_works(start: Start) -> None:
    gateway = start(ECHO)
    refused = transcribe(gateway, model="echo", prompt="hi [[crash=before:SIGSEGV]]")
    assert refused.status_code == 502
    assert error_of(refused)["code"] == "worker_crashed"
    assert transcribe(gateway, model="echo").json()["text"] == "one two"


def test_crash_in_mid_stream_ends_with_an_error_frame(start: Start) -> None:
    gateway = start(ECHO)
    answer = transcribe(
        gateway, model="echo", stream="true", prompt="a b c d [[crash=mid:SIGKILL]] [[slow=0.01]]"
    )
    *_, last = [frame[6:] for frame in answer.text.split("\n\n") if frame]
    assert json.loads(last)["error"]["code"] == "worker_crashed"


def test_kill_of_the_real_engine_in_the_middle_is_a_502(start: Start) -> None:
    gateway = start(card(MODEL, batched="off"))
    said = say("hello")
    audio, endless = as_wav(said), as_wav(np.tile(said, 1000))
    assert transcribe(gateway, audio, model="hears").status_code == 200
    pid = gateway.worker("hears")["pid"]
    with in_background() as calls:
        long = calls.submit(transcribe, gateway, endless, model="hears")
        eventually(lambda: gateway.worker_metric("hears", "sequences_running") == 1)
        os.kill(pid, signal.SIGKILL)
        assert error_of(long.result(DEADLINE))["code"] == "worker_crashed"
    assert transcribe(gateway, audio, model="hears").status_code == 200


def test_uploads_of_a_killed_gateway_go_at_the_next_start(start: Start, tmp_path: Path) -> None:
    gateway = start(ECHO, spool_dir=tmp_path)
    with in_background() as calls:
        call = calls.submit(transcribe, gateway, model="echo", prompt="[[delay=60]] x")
        eventually(lambda: [path for path in tmp_path.rglob("*") if path.name.isdigit()])
        gateway.kill()
        with pytest.raises(httpx2.TransportError):
            call.result(DEADLINE)
    assert list(tmp_path.iterdir())
    start(ECHO, spool_dir=tmp_path)
    left = [path for path in tmp_path.rglob("*") if path.name.isdigit()]
    assert left == []
