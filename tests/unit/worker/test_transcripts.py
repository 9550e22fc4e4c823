"""One transcript in each of OpenAI's formats, and as a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.responses import Response

from localai.protocol import sse
from localai.protocol.audio import TranscriptionRequest
from localai.worker.languages import language_code, language_name
from localai.worker.results import AudioInfo, Segment, Transcribed, Word
from localai.worker.transcripts import Heard, TranscriptForm

SEGMENTS = [
    Segment(
        0, 0.0, 1.5, " Hello,  there.", tokens=[1, 2],
        words=[Word(" Hello,", 0.0, 0.7), Word(" there.", 0.8, 1.5)],
        logprobs=[{"token": " Hello", "logprob": -0.5, "bytes": [32]}],
    ),
    Segment(1, 3599.9996, 3725.25, " A --> B ", words=[Word(" A", 3599.9996, 3725.25)]),
]  # fmt: skip
EVENTS: list[Heard] = [
    AudioInfo("en", 3725.3), *SEGMENTS, Transcribed(3725.3, 186_265, 3, 12),
]  # fmt: skip


def form(*, translate: bool = False, **fields: Any) -> TranscriptForm:
    return TranscriptForm(TranscriptionRequest(file="/x", **fields), translate=translate)


async def whole(events: list[Heard] = EVENTS, **fields: Any) -> Response:
    written = form(**fields)
    for event in events:
        written.collect(event)
    return await written.whole()


async def body(**fields: Any) -> dict[str, Any]:
    return dict(json.loads(bytes((await whole(**fields)).body)))


async def text(**fields: Any) -> str:
    answer = await whole(**fields)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    return bytes(answer.body).decode()


async def streamed(events: list[Heard] = EVENTS, **fields: Any) -> list[dict[str, Any]]:
    written = form(stream=True, **fields)
    frames = b"".join([await written.pieces(event) for event in events])
    assert await written.ending() == sse.DONE
    return [json.loads(frame[6:]) for frame in frames.decode().split("\n\n") if frame]


async def test_json_is_the_default_and_has_the_duration_in_its_usage() -> None:
    expected = {
        "text": "Hello,  there. A --> B",
        "usage": {"type": "duration", "seconds": 3726},
    }
    assert await body() == expected
    assert await body(response_format="json") == expected


async def test_plain_text_ends_its_line() -> None:
    assert await text(response_format="text") == "Hello,  there. A --> B\n"


async def test_subtitles_count_from_one_and_keep_arrows_out_of_the_text() -> None:
    assert await text(response_format="srt") == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello, there.\n\n"
        "2\n01:00:00,000 --> 01:02:05,250\nA -> B\n\n"
    )
    assert await text(response_format="vtt") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.500\nHello, there.\n\n"
        "01:00:00.000 --> 01:02:05.250\nA -> B\n\n"
    )


async def test_silence_is_empty_in_every_format() -> None:
    silence: list[Heard] = [AudioInfo("en", 2.0), Transcribed(2.0)]
    said = {
        name: bytes((await whole(silence, response_format=name)).body).decode()
        for name in ("json", "text", "srt", "vtt", "verbose_json")
    }
    assert json.loads(said["json"])["text"] == ""
    assert json.loads(said["verbose_json"])["segments"] == []
    assert (said["text"], said["srt"], said["vtt"]) == ("\n", "", "WEBVTT\n\n")
    assert [event["type"] for event in await streamed(silence)] == ["transcript.text.done"]


@pytest.mark.parametrize(
    ("granularities", "keys"),
    [
        (None, {"segments"}),
        ([], {"segments"}),
        (["segment"], {"segments"}),
        (["word"], {"words"}),
        (["word", "segment"], {"words", "segments"}),
    ],
)
async def test_verbose_json_has_what_was_asked(
    granularities: list[str] | None, keys: set[str]
) -> None:
    answer = await body(response_format="verbose_json", timestamp_granularities=granularities)
    assert set(answer) == {"task", "language", "duration", "text", "usage"} | keys
    assert (answer["task"], answer["language"]) == ("transcribe", "english")
    assert answer["duration"] == 3725.3
    if "words" in keys:
        assert answer["words"][0] == {"word": "Hello,", "start": 0.0, "end": 0.7}
    if "segments" in keys:
        assert [segment["text"] for segment in answer["segments"]] == [s.text for s in SEGMENTS]
        assert answer["segments"][0]["tokens"] == [1, 2]


async def test_translation_is_english_and_has_no_usage() -> None:
    events: list[Heard] = [AudioInfo("fr", 1.0), Transcribed(1.0)]
    answer = await whole(events, translate=True, response_format="verbose_json")
    said = json.loads(bytes(answer.body))
    assert (said["task"], said["language"]) == ("translate", "english")
    assert "usage" not in said
    assert "usage" not in json.loads(bytes((await whole(events, translate=True)).body))


async def test_logprobs_are_shown_where_asked() -> None:
    assert (await body(include=["logprobs"]))["logprobs"] == SEGMENTS[0].logprobs
    *deltas, done = await streamed(include=["logprobs"])
    assert [delta["logprobs"] for delta in deltas] == [SEGMENTS[0].logprobs, []]
    assert done["logprobs"] == SEGMENTS[0].logprobs
    assert all("logprobs" not in event for event in await streamed())


async def test_stream_says_each_segment_and_then_the_whole() -> None:
    *deltas, done = await streamed()
    assert [delta["delta"] for delta in deltas] == ["Hello,  there.", " A --> B"]
    assert {delta["type"] for delta in deltas} == {"transcript.text.delta"}
    assert (deltas[1]["start"], deltas[1]["end"], deltas[1]["duration"]) == (3600, 3725.25, 3725.3)
    assert done == {
        "type": "transcript.text.done",
        "text": "Hello,  there. A --> B",
        "usage": {
            "type": "tokens",
            "input_tokens": 186_268,
            "input_token_details": {"text_tokens": 3, "audio_tokens": 186_265},
            "output_tokens": 12,
            "total_tokens": 186_280,
        },
    }


@pytest.mark.parametrize(
    "texts", [[" a ", " b\n", "c"], ["a", "b"], ["  ", " a"], [" a", "  ", " "], ["", ""]]
)
async def test_deltas_are_the_whole_text_to_the_letter(texts: list[str]) -> None:
    segments = [Segment(i, 0, 1, said) for i, said in enumerate(texts)]
    *deltas, done = await streamed([AudioInfo("en", 1), *segments, Transcribed(1)])
    assert "".join(delta["delta"] for delta in deltas) == done["text"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"include": ["logprobs"], "response_format": "text"}, "include"),
        ({"stream": True, "response_format": "srt"}, "stream"),
        ({"stream": True, "response_format": "verbose_json"}, "stream"),
    ],
)
def test_what_does_not_fit_the_format_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ValidationError, match=f"'{param}'"):
        TranscriptionRequest(file="/x", **fields)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("en", "en"), ("EN", "en"), ("en-US", "en"), ("zh_CN", "zh"), ("English", "en"),
        ("haitian creole", "ht"), ("yue", "yue"), ("xx", None), ("", None), ("no way", None),
    ],
)  # fmt: skip
def test_languages_are_understood(said: str, code: str | None) -> None:
    assert language_code(said) == code


def test_all_of_whispers_languages_have_a_name() -> None:
    faster_whisper = pytest.importorskip("faster_whisper.tokenizer")
    unnamed = [code for code in faster_whisper._LANGUAGE_CODES if language_name(code) == code]
    assert unnamed == []
    assert (language_name("en"), language_name("tlh")) == ("english", "tlh")
