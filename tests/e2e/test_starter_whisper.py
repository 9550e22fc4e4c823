"""The embedded recogniser over the whole way: speech of the embedded voice in, the words out."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from openai.types.audio import TranscriptionTextDeltaEvent

from tests.e2e.sdk import strict
from tests.gateways import DEADLINE, RunningGateway, eventually
from tests.recordings import CONTAINERS, encoded, silence
from tests.starter_whisper import (
    MODEL,
    RATE,
    as_wav,
    conversation,
    error_rate,
    held_out,
    say,
    word_errors,
)

pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
NAME = "starter-whisper"
LONG_WAIT = 300.0
COUNT = 60
"""Held-out sentences in the suite; all of them were measured once."""
SMALL_WINDOWS = f"""
name: small-windows
backend: faster_whisper
model: {MODEL}
options: {{window: 60, batched: "on", chunk_length: 4, beam_size: 1, vad: {{speech_pad_ms: 100}}}}
"""
PLAIN = f"""
name: plain
backend: faster_whisper
model: {MODEL}
options: {{batched: "off", beam_size: 1}}
limits: {{max_concurrent: 2}}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    gateway = RunningGateway(tmp_path_factory.mktemp("whisper"), log_level="warning")
    for name, card in (("small-windows", SMALL_WINDOWS), ("plain", PLAIN)):
        gateway.add_card(name, card)
    with gateway:
        yield gateway


@pytest.fixture(scope="module")
def patience() -> float:
    return LONG_WAIT


@pytest.fixture(scope="module")
def talk() -> tuple[str, bytes, list[float]]:
    """Three sentences with pauses of two seconds: their text, their sound, their beginnings."""
    sentences = held_out()[:3]
    samples, starts = conversation(sentences, pause=2.0)
    return " ".join(sentences), as_wav(samples), starts


def post(gateway: RunningGateway, audio: bytes, **fields: Any) -> httpx2.Response:
    return httpx2.post(
        f"{gateway.url}/v1/audio/transcriptions",
        files={"file": ("upload", audio)}, data={"model": NAME, **fields}, timeout=LONG_WAIT,
    )  # fmt: skip


async def test_nine_of_ten_words_that_it_has_never_heard_are_right(
    async_client: openai.AsyncOpenAI,
) -> None:
    sentences = held_out()[:: max(1, len(held_out()) // COUNT)][:COUNT]
    room = asyncio.Semaphore(4)

    async def hear(number: int, sentence: str) -> tuple[str, str]:
        async with room:
            audio = as_wav(say(sentence, number))
            answer = await async_client.audio.transcriptions.create(model="whisper-1", file=audio)
            return sentence, answer.text

    pairs = await asyncio.gather(*(hear(*one) for one in enumerate(sentences)))
    wrong = [pair for pair in pairs if word_errors(*pair)[0]]
    assert error_rate(pairs) <= 0.10, wrong


@pytest.mark.parametrize("kind", sorted(set(CONTAINERS) - {"ogg"}))
def test_every_container_is_heard(gateway: RunningGateway, kind: str) -> None:
    sentence = held_out()[0]
    answer = post(gateway, encoded(say(sentence), kind))
    assert word_errors(sentence, answer.json()["text"])[0] <= 1, answer.text


def test_sound_of_a_film_is_heard(gateway: RunningGateway) -> None:
    sentence = held_out()[0]
    answer = post(gateway, encoded(say(sentence), "mp4", picture=True))
    assert word_errors(sentence, answer.json()["text"])[0] <= 1, answer.text


def test_words_and_segments_are_timed(
    client: openai.OpenAI, talk: tuple[str, bytes, list[float]]
) -> None:
    said, audio, starts = talk
    answer = client.audio.transcriptions.create(
        model=NAME, file=audio, response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )  # fmt: skip
    assert strict(answer).language == "english"
    assert word_errors(said, answer.text)[0] <= 3
    words, segments = answer.words or [], answer.segments or []
    assert [word.word for word in words] == answer.text.split()
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= answer.duration
    assert "".join(segment.text for segment in segments).strip() == answer.text
    assert [segment.id for segment in segments] == list(range(len(segments)))
    for start in starts:  # every sentence begins where some word does
        assert min(abs(word.start - start) for word in words) < 0.5


def test_subtitles_follow_each_other(
    client: openai.OpenAI, talk: tuple[str, bytes, list[float]]
) -> None:
    said, audio, _ = talk
    srt = client.audio.transcriptions.create(model=NAME, file=audio, response_format="srt")
    cues = [cue.split("\n") for cue in str(srt).strip().split("\n\n")]
    assert [cue[0] for cue in cues] == [str(number + 1) for number in range(len(cues))]
    clocks = [clock for cue in cues for clock in cue[1].split(" --> ")]
    assert all(re.fullmatch(r"00:00:\d\d,\d{3}", clock) for clock in clocks)
    assert clocks == sorted(clocks)
    assert word_errors(said, " ".join(cue[2] for cue in cues))[0] <= 3


def test_stream_says_the_same_with_times_for_a_progress_bar(
    client: openai.OpenAI, talk: tuple[str, bytes, list[float]]
) -> None:
    _, audio, _ = talk
    whole = client.audio.transcriptions.create(model=NAME, file=audio).text
    stream = client.audio.transcriptions.create(model=NAME, file=audio, stream=True)
    *deltas, done = [strict(event) for event in stream]
    assert all(isinstance(event, TranscriptionTextDeltaEvent) for event in deltas)
    assert "".join(getattr(event, "delta", "") for event in deltas) == done.to_dict()["text"]
    assert done.to_dict()["text"] == whole
    ends = [event.to_dict()["end"] for event in deltas]
    assert ends == sorted(ends)  # type: ignore[type-var]
    assert deltas[0].to_dict()["duration"] == pytest.approx(len(audio) / 2 / RATE, abs=0.1)


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_are_those_of_the_text(gateway: RunningGateway, stream: bool) -> None:
    audio = as_wav(say(held_out()[0]))
    answer = post(gateway, audio, **{"include[]": "logprobs", "stream": str(stream).lower()})
    if stream:
        done = answer.text.split("\n\n")[-3].removeprefix("data: ")
        body = httpx2.Response(200, text=done).json()
    else:
        body = answer.json()
    entries = body["logprobs"]
    assert "".join(entry["token"] for entry in entries).strip() == body["text"]
    assert bytes(itertools.chain(*(e["bytes"] for e in entries))).decode().strip() == body["text"]
    assert all(-30 < entry["logprob"] <= 0 for entry in entries)
    assert sum(entry["logprob"] for entry in entries) / len(entries) > -1.5


def test_translation_into_english_of_english_says_the_same(client: openai.OpenAI) -> None:
    sentence = held_out()[0]
    answer = client.audio.translations.create(
        model="whisper-1", file=as_wav(say(sentence)), response_format="verbose_json"
    )
    assert answer.language == "english"
    assert word_errors(sentence, answer.text)[0] <= 1


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"language": "de"}, "invalid_value", "language"),
        ({"language": "klingon"}, "invalid_language_format", "language"),
        ({"keywords[]": "hello " * 1000}, "invalid_value", "keywords"),
        ({"known_speaker_names[]": "me"}, "unsupported_parameter", "known_speaker_names"),
    ],
)
def test_what_the_model_cannot_is_refused(
    gateway: RunningGateway, fields: dict[str, str], code: str, param: str
) -> None:
    answer = post(gateway, as_wav(say("hello")), **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


@pytest.mark.parametrize(
    "audio", [b"this is no sound at all " * 200, b"RIFF\0\0\0\0WAVEfmt ", as_wav(silence(0.05))]
)
@pytest.mark.parametrize("stream", ["false", "true"])
def test_what_cannot_be_heard_is_refused(
    gateway: RunningGateway, audio: bytes, stream: str
) -> None:
    answer = post(gateway, audio, stream=stream)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


@pytest.mark.parametrize("seconds", [0.5, 40])
@pytest.mark.parametrize("fields", [{}, {"chunking_strategy": "auto"}, {"stream": "true"}])
def test_silence_is_answered_with_nothing(
    gateway: RunningGateway, seconds: float, fields: dict[str, str]
) -> None:
    answer = post(gateway, as_wav(silence(seconds)), **fields)
    assert answer.status_code == 200
    assert '"text":""' in answer.text


def test_prompt_keywords_temperature_and_chunking_are_taken(gateway: RunningGateway) -> None:
    sentence = held_out()[0]
    audio = as_wav(say(sentence))
    for fields in (
        {"prompt": held_out()[1]},
        {"prompt": "word " * 2000, "keywords[]": ["hello " * 100]},
        {"temperature": "0.2"},
        {"language": "en-GB", "chunking_strategy": "auto"},
        {"chunking_strategy[type]": "server_vad", "chunking_strategy[silence_duration_ms]": "300"},
        {"languages[]": ["de", "en"]},
    ):
        answer = post(gateway, audio, **fields)
        assert answer.status_code == 200, (fields, answer.text)
        assert "x-localai-ignored" not in answer.headers


def test_two_minutes_are_heard_in_batches_with_their_times(client: openai.OpenAI) -> None:
    sentences = (held_out() * 2)[:45]
    samples, starts = conversation(sentences, pause=1.0)
    assert len(samples) > 90 * RATE
    answer = client.audio.transcriptions.create(
        model=NAME, file=as_wav(samples), response_format="verbose_json"
    )
    assert error_rate([(" ".join(sentences), answer.text)]) <= 0.15
    segments = answer.segments or []
    assert len(segments) >= 15
    assert [s.start for s in segments] == sorted(s.start for s in segments)
    assert segments[-1].end == pytest.approx(len(samples) / RATE, abs=3)
    assert any(abs(segment.start - starts[30]) < 3 for segment in segments)


def test_windows_that_are_cut_in_pauses_lose_nothing(client: openai.OpenAI) -> None:
    sentences = held_out()[:40]
    samples, _ = conversation(sentences, pause=1.0)
    assert len(samples) > 75 * RATE
    answer = client.audio.transcriptions.create(
        model="small-windows", file=as_wav(samples), response_format="verbose_json"
    )
    assert answer.duration == pytest.approx(len(samples) / RATE, abs=0.01)
    assert error_rate([(" ".join(sentences), answer.text)]) <= 0.2


def test_memory_does_not_grow_with_the_length(gateway: RunningGateway) -> None:
    def peak() -> int:
        status = Path(f"/proc/{gateway.worker('small-windows')['pid']}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024

    def hear(minutes: int) -> int:
        audio = np.tile(np.concatenate([say(held_out()[0]), silence(57)]), minutes)
        answer = post(gateway, encoded(audio, "flac"), model="small-windows")
        assert answer.status_code == 200, answer.text
        assert answer.json()["usage"]["seconds"] > 57 * minutes
        return peak()

    hear(3)
    short = hear(6)
    assert hear(20) - short < 40  # MiB; the samples alone would be 50 MiB more


@pytest.mark.parametrize("stream", [False, True])
def test_giving_up_stops_the_engine_soon(gateway: RunningGateway, stream: bool) -> None:
    def figure(name: str) -> float:
        return gateway.worker_metric("plain", name)

    audio = as_wav(np.tile(np.concatenate([say(held_out()[0]), silence(1)]), 200))
    post(gateway, as_wav(say("hello")), model="plain")
    cancelled = figure("cancelled_total")
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        if stream:
            events = client.audio.transcriptions.create(model="plain", file=audio, stream=True)
            assert next(iter(events)).type == "transcript.text.delta"
            assert figure("sequences_running") == 1
            events.response.close()
        else:
            with pytest.raises(openai.APITimeoutError):
                client.with_options(timeout=3).audio.transcriptions.create(
                    model="plain", file=audio
                )
    eventually(lambda: figure("sequences_running") == 0, DEADLINE)
    assert figure("cancelled_total") == cancelled + 1
    eventually(lambda: gateway.worker("plain")["running"] == 0)


async def test_calls_at_once_do_not_mix(async_client: openai.AsyncOpenAI) -> None:
    sentences = held_out()[:6]
    texts = await asyncio.gather(
        *(
            async_client.audio.transcriptions.create(model=NAME, file=as_wav(say(sentence)))
            for sentence in sentences
        )
    )
    pairs = [(s, answer.text) for s, answer in zip(sentences, texts, strict=True)]
    assert error_rate(pairs) <= 0.2, pairs


def test_voice_is_told_from_silence(gateway: RunningGateway) -> None:
    spoken = say(held_out()[0])
    audio = np.concatenate([silence(1), spoken, silence(2), spoken, silence(1)])
    body = {"model": "silero-vad", "audio": [round(float(s), 4) for s in audio]}
    segments = gateway.http.post("/v1/vad", json=body).json()["segments"]
    second = 3 + len(spoken) / RATE
    assert segments[0]["start"] == pytest.approx(1, abs=0.3)
    assert segments[-1]["end"] == pytest.approx(second + len(spoken) / RATE, abs=0.4)
    assert any(s["start"] == pytest.approx(second, abs=0.3) for s in segments)
    for nothing in ([], [0.0] * RATE):
        answer = gateway.http.post("/vad", json={"model": "silero-vad", "audio": nothing})
        assert answer.json() == {"segments": []}
