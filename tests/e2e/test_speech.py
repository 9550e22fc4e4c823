"""Speech by OpenAI's client and by hand, with real voices and over real sockets."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from pathlib import Path
from typing import Any, Literal

import av
import httpx2
import openai
import pytest

from localai.protocol.audio import OPENAI_VOICES
from tests.gateways import DEADLINE, RunningGateway, eventually
from tests.hearing import CONTENT_TYPES, Heard, hear
from tests.openai_spec import CheckedTransport
from tests.starter_voice import SPEAKERS

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
FORMATS: list[Format] = ["mp3", "opus", "aac", "flac", "wav", "pcm"]
VOICE = "starter-voice"
TWO = "The first sentence is here. And this one is the second."
WORDS = 6
SLOW = "[[slow=0.3]] one two three four five six"


def speech(gateway: RunningGateway, **fields: Any) -> httpx2.Response:
    body = {"model": VOICE, "input": TWO, "voice": "alloy", **fields}
    return httpx2.post(f"{gateway.url}/v1/audio/speech", json=body, timeout=DEADLINE)


def heard(gateway: RunningGateway, text: str = TWO, **fields: Any) -> Heard:
    """Return what is said, without any codec between."""
    answer = speech(gateway, input=text, response_format="pcm", **fields)
    assert answer.status_code == 200, answer.text
    return hear(answer.content, "pcm")


def is_good(sound: Heard, name: str) -> bool:
    assert sound.channels == 1
    assert sound.rate == (48_000 if name == "opus" else 24_000)
    assert 1.5 < sound.seconds < 10
    assert 0.02 < sound.loudness < 0.7
    return True


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_what_it_says(client: openai.OpenAI, name: Format) -> None:
    answer = client.audio.speech.create(model=VOICE, voice="alloy", input=TWO, response_format=name)
    assert answer.response.headers["content-type"] == CONTENT_TYPES[name]
    assert is_good(hear(answer.content, name), name)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_the_same_length(gateway: RunningGateway, name: Format) -> None:
    answer = speech(gateway, model="echo", input="one two three four", response_format=name)
    assert hear(answer.content, name).seconds == pytest.approx(1.0, abs=0.1)


async def test_awaited(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.audio.speech.create(model=VOICE, voice="nova", input=TWO)
    assert is_good(hear(answer.content), "mp3")


def test_is_streamed_to_a_file(client: openai.OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "speech.mp3"
    with client.audio.speech.with_streaming_response.create(
        model=VOICE, voice="alloy", input=TWO
    ) as answer:
        assert "content-length" not in answer.headers
        answer.stream_to_file(path)
    assert is_good(hear(path.read_bytes()), "mp3")


async def test_is_streamed_awaited(async_client: openai.AsyncOpenAI) -> None:
    async with async_client.audio.speech.with_streaming_response.create(
        model=VOICE, voice="alloy", input=TWO, response_format="opus"
    ) as answer:
        chunks = [chunk async for chunk in answer.iter_bytes()]
    assert len(chunks) > 1
    assert is_good(hear(b"".join(chunks), "opus"), "opus")


def test_openai_s_model_names_lead_to_the_default_voice(client: openai.OpenAI) -> None:
    for model in ("tts-1", "tts-1-hd", "gpt-4o-mini-tts"):
        answer = client.audio.speech.create(model=model, voice="alloy", input="Hello.")
        assert hear(answer.content).loudness > 0.02


def test_embedded_voice_is_the_default_one_without_any_card(tmp_path: Path) -> None:
    with RunningGateway(tmp_path) as bare:
        model = bare.http.get("/v1/models/tts-1").json()
    assert model["id"] == VOICE
    assert model["default_for"] == ["speech"]


def test_saved_wav_and_flac_are_right_about_their_length(
    client: openai.OpenAI, tmp_path: Path
) -> None:
    for name in ("wav", "flac"):
        path = tmp_path / f"speech.{name}"
        client.audio.speech.create(
            model=VOICE, voice="alloy", input=TWO, response_format=name
        ).write_to_file(path)
        with av.open(str(path), "r") as container:
            assert container.duration is not None
            said = container.duration / av.time_base
        assert said == pytest.approx(hear(path.read_bytes(), name).seconds, abs=0.01)
    with wave.open(str(tmp_path / "speech.wav")) as reader:
        assert reader.getparams()[:3] == (1, 2, 24_000)
        assert reader.getnframes() / 24_000 == pytest.approx(said, abs=0.01)


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.5, 4.0])
def test_speed_is_kept(gateway: RunningGateway, speed: float) -> None:
    plain, other = heard(gateway).seconds, heard(gateway, speed=speed).seconds
    assert plain / other == pytest.approx(speed, rel=0.06)


def test_all_of_openai_s_voices_speak(client: openai.OpenAI) -> None:
    for voice in OPENAI_VOICES:
        answer = client.audio.speech.create(
            model=VOICE, voice=voice, input="Hi there.", response_format="pcm"
        )
        assert hear(answer.content, "pcm").loudness > 0.02


def test_voice_may_be_an_object(client: openai.OpenAI, gateway: RunningGateway) -> None:
    answer = client.audio.speech.create(
        model="echo", voice={"id": "nova"}, input="word", response_format="pcm"
    )
    assert (
        answer.content
        == speech(gateway, model="echo", voice="nova", input="word", response_format="pcm").content
    )
    assert (
        answer.content
        != speech(gateway, model="echo", voice="alloy", input="word", response_format="pcm").content
    )


def test_no_voice_is_the_model_s_own(gateway: RunningGateway) -> None:
    for voice in (None, ""):
        assert heard(gateway, voice=voice).loudness > 0.02


def test_voices_are_listed(gateway: RunningGateway) -> None:
    of_voice = gateway.http.get(f"/v1/audio/voices?model={VOICE}").json()["voices"]
    assert [voice["id"] for voice in of_voice] == [*SPEAKERS, *OPENAI_VOICES]
    assert all(voice["name"] == voice["id"] for voice in of_voice)
    for path in ("/v1/audio/voices", "/audio/voices"):  # of the default model, here echo
        answer = gateway.http.get(path)
        assert answer.status_code == 200, answer.text
        assert [voice["id"] for voice in answer.json()["voices"]] == list(OPENAI_VOICES)


def test_model_that_cannot_speak_has_no_voices(gateway: RunningGateway) -> None:
    refused = gateway.http.get("/v1/audio/voices?model=starter-chat")
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "model"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"voice": "bob"}, "voice"),
        ({"voice": {"id": "voice_1234"}}, "voice"),
        ({"input": ""}, "input"),
        ({"input": "  "}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"response_format": "ogg"}, "response_format"),
        ({"speed": 0.2}, "speed"),
        ({"speed": 4.5}, "speed"),
        ({"stream_format": "raw"}, "stream_format"),
        ({"instructions": "Speak like a pirate."}, "instructions"),
        ({"language": "de"}, "language"),
        ({"backend": "kokoro"}, "backend"),
        ({"params": {"cfg": 1}}, "params"),
        ({"sample_rate": 12_345}, "sample_rate"),
        ({"model": "starter-chat"}, "model"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    gateway: RunningGateway, fields: dict[str, Any], param: str
) -> None:
    body = {"model": VOICE, "input": TWO, "voice": "alloy", **fields}
    with httpx2.Client(transport=CheckedTransport(), timeout=DEADLINE) as http:
        refused = http.post(f"{gateway.url}/v1/audio/speech", json=body)
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"].startswith(param)


def test_unknown_voice_is_answered_with_the_known_ones(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.speech.create(model=VOICE, voice="bob", input="Hello.")
    assert refused.value.param == "voice"
    assert ", ".join([*SPEAKERS, *OPENAI_VOICES]) in refused.value.message


def test_lenient_card_names_what_it_ignores(gateway: RunningGateway) -> None:
    gateway.add_card("easy", "name: easy\nbackend: echo\nlenient: true\n")
    eventually(lambda: gateway.http.get("/v1/models/easy").status_code == 200)
    answer = speech(gateway, model="easy", instructions="Sing.", flavour="mint")
    assert answer.status_code == 200
    assert answer.headers["x-localai-ignored"] == "flavour, instructions"


@pytest.mark.parametrize("text", ["...", "!!!", "😀🎉", "Привет, мир.", "你好。", "مرحبا", "¿Qué?"])
def test_any_text_gives_a_sound(gateway: RunningGateway, text: str) -> None:
    for name in ("mp3", "wav"):
        answer = speech(gateway, input=text, response_format=name)
        assert answer.status_code == 200, answer.text
        assert hear(answer.content, name).seconds > 0.15


def test_sentences_have_a_pause_between_and_do_not_click(gateway: RunningGateway) -> None:
    sound = heard(gateway)
    pauses = sound.quiet_stretches(0.15)
    middle = [(a, b) for a, b in pauses if a > 0.5 and b < sound.seconds - 0.5]
    assert len(middle) >= 1
    assert all(b - a < 1 for a, b in middle)


@pytest.mark.parametrize("name", FORMATS)
def test_first_bytes_leave_before_the_last_word_is_spoken(
    gateway: RunningGateway, name: Format
) -> None:
    speech(gateway, model="echo", input="wake up")
    spoken = gateway.worker_metric("echo", "spoken_words_total")
    fields = {"model": "echo", "input": SLOW, "response_format": name, "stream_format": "audio"}
    with httpx2.stream(
        "POST", f"{gateway.url}/v1/audio/speech", json=fields, timeout=DEADLINE
    ) as answer:
        chunks = answer.iter_raw()
        first = next(chunks)
        assert gateway.worker_metric("echo", "spoken_words_total") < spoken + WORDS
        audio = first + b"".join(chunks)
    assert gateway.worker_metric("echo", "spoken_words_total") == spoken + WORDS
    assert hear(audio, name).seconds == pytest.approx(0.25 * WORDS, abs=0.1)


def test_first_bytes_of_a_voice_leave_before_its_last_sentence(gateway: RunningGateway) -> None:
    sentences = 30
    speech(gateway, input="Wake up.")
    spoken = gateway.worker_metric(VOICE, "phrases_total")
    body = {"model": VOICE, "input": "This is one of many sentences to say. " * sentences}
    with httpx2.stream(
        "POST", f"{gateway.url}/v1/audio/speech", json=body, timeout=DEADLINE
    ) as answer:
        chunks = answer.iter_raw()
        audio = next(chunks)
        assert gateway.worker_metric(VOICE, "phrases_total") < spoken + sentences
        audio += b"".join(chunks)
    assert gateway.worker_metric(VOICE, "phrases_total") == spoken + sentences
    assert hear(audio).seconds > sentences


def test_nothing_more_is_spoken_for_a_caller_who_left(gateway: RunningGateway) -> None:
    sentences = 80
    speech(gateway, input="Wake up.")
    spoken = gateway.worker_metric(VOICE, "phrases_total")
    cancelled = gateway.worker_metric(VOICE, "cancelled_total")
    body = {"model": VOICE, "input": "This is one of many sentences to say. " * sentences}
    with httpx2.stream(
        "POST", f"{gateway.url}/v1/audio/speech", json=body, timeout=DEADLINE
    ) as answer:
        next(answer.iter_raw())
    eventually(lambda: gateway.worker_metric(VOICE, "speeches_running") == 0)
    assert gateway.worker_metric(VOICE, "cancelled_total") == cancelled + 1
    assert gateway.worker_metric(VOICE, "phrases_total") < spoken + sentences


@pytest.mark.parametrize("name", FORMATS)
def test_events_carry_the_audio(client: openai.OpenAI, name: Format) -> None:
    with client.audio.speech.with_streaming_response.create(
        model=VOICE, voice="alloy", input=TWO, response_format=name, stream_format="sse"
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        payloads = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert payloads.pop() == "[DONE]"
    *deltas, done = map(json.loads, payloads)
    assert len(deltas) >= 2
    audio = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    sound = hear(audio, name)
    assert is_good(sound, name)
    usage = done["usage"]
    assert usage["input_tokens"] == len(TWO)
    assert usage["output_tokens"] == pytest.approx(sound.seconds * 20, abs=3)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_tts_is_localai_s_own_shape(gateway: RunningGateway) -> None:
    body = {"model": VOICE, "input": TWO, "backend": "piper", "language": "en"}
    answer = gateway.http.post("/tts", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as reader:
        assert reader.getframerate() == 24_000
    assert is_good(hear(answer.content, "wav"), "wav")
    lower = gateway.http.post("/tts", json=body | {"sample_rate": 16_000, "voice": "ben"})
    with wave.open(io.BytesIO(lower.content)) as reader:
        assert reader.getframerate() == 16_000
    assert (
        gateway.http.post("/tts", json=body | {"response_format": "mp3"}).headers["content-type"]
        == "audio/mpeg"
    )


def test_tts_refuses_what_it_cannot_honour(gateway: RunningGateway) -> None:
    for name, value in {"backend": "bark", "language": "fr", "params": {"a": 1}}.items():
        refused = gateway.http.post("/tts", json={"model": VOICE, "input": "Hi.", name: value})
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == name


async def test_four_callers_at_once(async_client: openai.AsyncOpenAI) -> None:
    async def call(speaker: str) -> Heard:
        answer = await async_client.audio.speech.create(
            model=VOICE, voice=speaker, input=TWO, response_format="pcm"
        )
        return hear(answer.content, "pcm")

    sounds = await asyncio.gather(*map(call, SPEAKERS))
    assert all(is_good(sound, "pcm") for sound in sounds)
