"""What a wish for speech may say."""

from __future__ import annotations

from typing import Any

import pytest

from localai.errors import InvalidRequest
from localai.protocol.asgi import parse_request
from localai.protocol.audio import LONGEST_INPUT, SpeechRequest
from localai.protocol.wire import asked_parameters


def asked(**fields: Any) -> SpeechRequest:
    return parse_request(SpeechRequest, {"input": "hello", **fields})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": " \n"}, "input"),
        ({"input": "x" * (LONGEST_INPUT + 1)}, "input"),
        ({"input": None}, "input"),
        ({"response_format": "ogg"}, "response_format"),
        ({"speed": 0.2}, "speed"),
        ({"speed": 4.1}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"stream_format": "raw"}, "stream_format"),
        ({"instructions": "x" * 4097}, "instructions"),
        ({"voice": 3}, "voice"),
        ({"sample_rate": 7999}, "sample_rate"),
        ({"sample_rate": 48_001}, "sample_rate"),
    ],
)
def test_wrong_value_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(**fields)
    assert (refused.value.param or "").startswith(param)


def test_voice_is_a_name_or_an_id() -> None:
    assert asked().voice_name() is None
    assert asked(voice="").voice_name() is None
    assert asked(voice="alloy").voice_name() == "alloy"
    assert asked(voice={"id": "voice_1"}).voice_name() == "voice_1"


@pytest.mark.parametrize(
    ("fields", "streams"),
    [
        ({}, True),
        ({"response_format": "pcm"}, True),
        ({"response_format": "wav"}, False),
        ({"response_format": "flac"}, False),
        ({"response_format": "wav", "stream_format": "audio"}, True),
        ({"response_format": "wav", "stream_format": "sse"}, True),
        ({"response_format": "wav", "stream": True}, True),
        ({"stream": False}, False),
        ({"stream": False, "stream_format": "sse"}, True),
    ],
)
def test_formats_that_name_their_length_come_whole_unless_streamed(
    fields: dict[str, Any], streams: bool
) -> None:
    assert asked(**fields).wants_stream() is streams


def test_what_the_host_does_itself_is_asked_of_no_backend() -> None:
    plain = {
        "model": "m", "response_format": "wav", "stream_format": "sse", "stream": True,
        "sample_rate": 8000, "user": "me", "speed": 1, "instructions": "", "params": {},
        "language": "", "backend": "", "voice": "",
    }  # fmt: skip
    assert asked_parameters(asked(**plain)) == {}
    wanted = {"speed": 1.5, "voice": "alloy", "instructions": "sadly", "language": "en"}
    assert asked_parameters(asked(**wanted)) == wanted
