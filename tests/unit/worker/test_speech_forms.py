"""How speech leaves: as a file and as events."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from starlette.responses import Response

from localai.errors import EngineFailed, InvalidRequest
from localai.protocol import sse
from localai.protocol.audio import SpeechRequest
from localai.worker.answers import Form
from localai.worker.results import Sound
from localai.worker.speech_forms import speech_form
from tests.hearing import hear

SOUNDS = [Sound(b"\x10\x20" * 8000, 16_000) for _ in range(3)]
FAILURE = EngineFailed("It broke.")


def form(**fields: Any) -> Form[Sound]:
    return speech_form(SpeechRequest.model_validate({"input": "hello", **fields}))


async def written(form: Form[Sound]) -> bytes:
    parts = [await form.pieces(sound) for sound in SOUNDS]
    return b"".join(parts) + await form.ending()


async def test_file_is_mp3_unless_asked_otherwise() -> None:
    assert form().stream_type == "audio/mpeg"
    assert hear(await written(form())).seconds == pytest.approx(1.5, abs=0.1)


async def test_whole_file_has_a_length_and_a_type() -> None:
    whole = form(response_format="wav")
    for sound in SOUNDS:
        whole.collect(sound)
    answer = await whole.whole()
    assert isinstance(answer, Response)
    assert answer.headers["content-type"] == "audio/wav"
    assert int(answer.headers["content-length"]) == len(answer.body) == 44 + 2 * 36_000


async def test_file_that_fails_is_left_incomplete() -> None:
    assert form().failure(FAILURE) is None


async def test_events_carry_the_same_file_and_its_usage() -> None:
    events = form(stream_format="sse")
    assert events.stream_type == sse.CONTENT_TYPE
    *frames, done, end = (await written(events)).removesuffix(b"\n\n").split(b"\n\n")
    assert end == b"data: [DONE]"
    payloads = [json.loads(frame.removeprefix(b"data: ")) for frame in frames]
    assert {payload["type"] for payload in payloads} == {"speech.audio.delta"}
    audio = b"".join(base64.b64decode(payload["audio"]) for payload in payloads)
    assert audio == await written(form())
    assert json.loads(done.removeprefix(b"data: ")) == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 5, "output_tokens": 30, "total_tokens": 35},
    }


async def test_events_that_fail_end_with_an_error_frame() -> None:
    assert form(stream_format="sse").failure(FAILURE) == sse.error_frame(FAILURE)


def test_rate_is_checked_before_anybody_speaks() -> None:
    with pytest.raises(InvalidRequest, match="12345"):
        form(sample_rate=12_345)
