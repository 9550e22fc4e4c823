"""Sounds as files: every format, streamed and whole, decoded again."""

from __future__ import annotations

import io
import wave

import av
import numpy as np
import pytest

from localai.errors import InvalidRequest
from localai.worker.audio_encoding import (
    FORMATS,
    SAMPLE_RATE,
    check_rate,
    create_encoder,
    encode_all,
    wave_header,
)
from localai.worker.results import Sound
from tests.hearing import CONTENT_TYPES, hear

PITCH = 440.0
NAMES = sorted(FORMATS)


def sine(seconds: float, parts: int = 1, rate: int = 16_000) -> list[Sound]:
    """Return one sine wave, cut into parts."""
    at = np.arange(round(seconds * rate)) / rate
    samples = np.rint(16_000 * np.sin(2 * np.pi * PITCH * at)).astype("<i2")
    return [Sound(part.tobytes(), rate) for part in np.array_split(samples, parts)]


def streamed(sounds: list[Sound], name: str, rate: int = SAMPLE_RATE) -> bytes:
    encoder = create_encoder(name, rate)
    return b"".join([*map(encoder.feed, sounds), encoder.finish()])


@pytest.mark.parametrize("encode", [streamed, encode_all])
@pytest.mark.parametrize("name", NAMES)
def test_is_decoded_as_it_was(name: str, encode: object) -> None:
    sounds = sine(2.0, parts=7)
    audio = streamed(sounds, name) if encode is streamed else encode_all(sounds, name, SAMPLE_RATE)
    heard = hear(audio, name)
    assert heard.rate == (48_000 if name == "opus" else SAMPLE_RATE)  # Opus is decoded at 48 kHz
    assert heard.channels == 1
    assert heard.seconds == pytest.approx(2.0, abs=0.1)
    assert heard.pitch(0.2, 1.8) == pytest.approx(PITCH, abs=2)
    assert heard.loudness == pytest.approx(16_000 / 32_768 / 2**0.5, rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_cuts_between_sounds_cannot_be_heard(name: str) -> None:
    heard = hear(streamed(sine(2.0, parts=7), name), name)
    middle = heard.samples[int(0.2 * heard.rate) : int(1.8 * heard.rate)]
    steps = np.abs(np.diff(middle))
    assert steps.max() < 1.3 * 2 * np.pi * PITCH / heard.rate * 16_000 / 32_768


@pytest.mark.parametrize("name", NAMES)
def test_first_sound_leaves_before_the_second_is_there(name: str) -> None:
    encoder = create_encoder(name, SAMPLE_RATE)
    first = encoder.feed(sine(0.5)[0])
    assert hear(first, name).seconds > 0.25


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_any_rate_becomes_the_wanted_one(rate: int) -> None:
    heard = hear(streamed(sine(1.0, parts=3, rate=rate), "wav"), "wav")
    assert heard.rate == SAMPLE_RATE
    assert heard.seconds == pytest.approx(1.0, abs=0.01)
    assert heard.pitch(0.1, 0.9) == pytest.approx(PITCH, abs=2)


@pytest.mark.parametrize("name", NAMES)
def test_another_rate_is_kept(name: str) -> None:
    heard = hear(streamed(sine(1.0), name, 16_000), name, 16_000)
    assert heard.rate == (48_000 if name == "opus" else 16_000)
    assert heard.seconds == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", ["mp3", "opus", "aac"])
def test_rate_that_a_format_does_not_have_is_refused(name: str) -> None:
    check_rate(name, 24_000)
    with pytest.raises(InvalidRequest, match="24000") as refused:
        check_rate(name, 12_345)
    assert refused.value.param == "sample_rate"


def test_plain_samples_can_have_any_rate() -> None:
    for name in ("wav", "pcm", "flac"):
        check_rate(name, 12_345)
    assert hear(encode_all(sine(1.0), "flac", 12_345), "flac").seconds == pytest.approx(1, abs=0.01)


def test_whole_wav_is_right_for_the_strictest_reader() -> None:
    audio = encode_all(sine(1.5, parts=4), "wav", SAMPLE_RATE)
    with wave.open(io.BytesIO(audio)) as reader:
        assert reader.getparams()[:4] == (1, 2, SAMPLE_RATE, reader.getnframes())
        assert reader.getnframes() / SAMPLE_RATE == pytest.approx(1.5, abs=0.01)
        assert len(reader.readframes(reader.getnframes())) == 2 * reader.getnframes()
    assert len(audio) == 44 + 2 * reader.getnframes()


def test_whole_flac_says_how_long_it_is() -> None:
    with av.open(io.BytesIO(encode_all(sine(1.5), "flac", SAMPLE_RATE)), "r") as container:
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(1.5, abs=0.01)


def test_streamed_wav_says_that_its_length_is_unknown() -> None:
    audio = streamed(sine(0.5), "wav")
    assert audio.startswith(wave_header(SAMPLE_RATE, None))
    assert audio[4:8] == audio[40:44] == b"\xff\xff\xff\xff"


def test_pcm_is_samples_and_nothing_else() -> None:
    assert streamed(sine(1.0, rate=SAMPLE_RATE), "pcm") == sine(1.0, rate=SAMPLE_RATE)[0].samples


def test_content_types() -> None:
    assert {name: one.content_type for name, one in FORMATS.items()} == CONTENT_TYPES


def test_encoders_do_not_share_anything() -> None:
    first, second = create_encoder("mp3", SAMPLE_RATE), create_encoder("mp3", SAMPLE_RATE)
    parts = [(first.feed(sound), second.feed(sound)) for sound in sine(1.0, parts=3)]
    alone = streamed(sine(1.0, parts=3), "mp3")
    assert b"".join(one for one, _ in parts) + first.finish() == alone
    assert b"".join(two for _, two in parts) + second.finish() == alone


@pytest.mark.parametrize("name", NAMES)
def test_sound_of_no_length_is_nothing(name: str) -> None:
    first, second = sine(1.0, parts=2)
    with_nothing = streamed([first, Sound(b"", 16_000), second], name)
    assert hear(with_nothing, name).seconds == pytest.approx(1.0, abs=0.1)
