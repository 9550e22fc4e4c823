"""What the starter voice says, before it is encoded."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backends.piper.worker import Piper
from localai.errors import InvalidRequest
from localai.protocol.audio import SpeechRequest
from localai.protocol.launch import LaunchSpec
from tests.starter_voice import SPEAKERS, VOICE

TWO = "The first sentence is here. And this one is the second."
RATE = 16_000


async def loaded(**options: Any) -> Piper:
    worker = Piper(
        LaunchSpec(
            name="voice", backend=VOICE.parent, socket=VOICE, model=VOICE,
            options={"n_threads": 1, **options},
        )
    )  # fmt: skip
    await worker.load()
    return worker


async def said(worker: Piper, text: str, **fields: Any) -> list[NDArray[np.int16]]:
    request = SpeechRequest.model_validate({"input": text, **fields})
    sounds = [sound async for sound in worker.speak(request)]
    assert {sound.rate for sound in sounds} == {RATE}
    return [np.frombuffer(sound.samples, "<i2") for sound in sounds]


def resemble(one: NDArray[np.int16], other: NDArray[np.int16]) -> bool:
    """Tell whether two sounds are the same but for the noise in a voice."""
    return len(one) == len(other) and float(np.corrcoef(one, other)[0, 1]) > 0.9


def seconds(sounds: list[NDArray[np.int16]]) -> float:
    return sum(map(len, sounds)) / RATE


async def test_each_sentence_is_a_sound_with_silence_before_all_but_the_first() -> None:
    worker = await loaded(sentence_silence=0.3)
    first, second = await said(worker, TWO)
    pause = second[: int(0.3 * RATE)]
    assert not pause.any()
    assert first[: len(pause)].any()
    assert np.abs(first).max() == np.abs(second).max() == 32_767
    assert worker.metrics()["phrases_total"] == 2


async def test_sentences_begin_and_end_at_zero() -> None:
    for sound in await said(await loaded(sentence_silence=0), TWO):
        assert abs(int(sound[0])) < 300
        assert abs(int(sound[-1])) < 1500


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
async def test_speed_makes_it_that_much_shorter(speed: float) -> None:
    worker = await loaded()
    plain, other = await said(worker, TWO), await said(worker, TWO, speed=speed)
    assert seconds(plain) / seconds(other) == pytest.approx(speed, rel=0.06)


async def test_length_scale_makes_it_longer() -> None:
    plain = seconds(await said(await loaded(), TWO))
    assert seconds(await said(await loaded(length_scale=1.5), TWO)) > 1.3 * plain


async def test_volume_and_normalising() -> None:
    quiet = await said(await loaded(volume=0.25), TWO)
    assert max(np.abs(sound).max() for sound in quiet) == pytest.approx(8192, abs=2)
    natural = await said(await loaded(normalize=False), TWO)
    assert max(np.abs(sound).max() for sound in natural) <= 32_767


async def test_speakers_differ_and_openai_voices_are_theirs() -> None:
    worker = await loaded(voices={"alloy": "ben", "onyx": 3})
    spoken = {name: (await said(worker, "Hello there.", voice=name))[0] for name in SPEAKERS}
    for one, other in itertools.combinations(SPEAKERS, 2):
        assert not resemble(spoken[one], spoken[other])
    for voice, speaker in (("alloy", "ben"), ("onyx", "dan"), ("coral", "dan"), ("ash", "ben")):
        (sound,) = await said(worker, "Hello there.", voice=voice)
        assert resemble(sound, spoken[speaker])


async def test_default_voice_is_the_card_s() -> None:
    plain, of_card = await loaded(), await loaded(voice="dan")
    (dan,) = await said(plain, "Hello.", voice="dan")
    (default,) = await said(of_card, "Hello.")
    assert resemble(default, dan)


@pytest.mark.parametrize("text", ["...", "[", "\u200b", "—"])
async def test_nothing_to_say_is_a_short_silence(text: str) -> None:
    (silence,) = await said(await loaded(), text)
    assert not silence.any()
    assert 0.1 < len(silence) / RATE < 1


@pytest.mark.parametrize(
    "text",
    ["!!!", "😀", "Привет, мир.", "你好。", "مرحبا", "a\0b", "[[x", "[[ ]]", "x" * 4096, "\ud7ff"],
)
async def test_any_text_is_spoken(text: str) -> None:
    worker = await loaded()
    request = SpeechRequest(input=text)
    first = await anext(sounds := worker.speak(request))
    assert len(first.samples) > 1000
    await sounds.aclose()


async def test_text_in_double_brackets_is_read_and_not_taken_for_phonemes() -> None:
    worker = await loaded()
    (plain,) = await said(worker, "Look at the link.")
    (bracketed,) = await said(worker, "Look at the [[link]].")
    assert len(bracketed) == pytest.approx(len(plain), rel=0.3)


async def test_endless_sentence_is_spoken_in_parts_without_silence_between() -> None:
    worker = await loaded(sentence_silence=5)
    sounds = await said(worker, "and so on " * 150)
    assert len(sounds) > 2
    assert all(sound[: RATE // 10].any() for sound in sounds)


async def test_language_is_taken_where_it_is_the_voice_s_own() -> None:
    worker = await loaded()
    for language in ("en", "en-us", "en_GB", "EN"):
        await said(worker, "Hello.", language=language)
    with pytest.raises(InvalidRequest, match="speaks 'en-us', not 'de'") as refused:
        await said(worker, "Hallo.", language="de")
    assert refused.value.param == "language"


async def test_closing_stops_before_the_next_sentence() -> None:
    worker = await loaded()
    sounds = worker.speak(SpeechRequest(input=TWO))
    await anext(sounds)
    await sounds.aclose()
    figures = worker.metrics()
    assert (figures["phrases_total"], figures["cancelled_total"]) == (1, 1)
    assert figures["speeches_running"] == 0


async def test_several_callers_at_once_get_what_one_gets() -> None:
    worker = await loaded()
    alone = [await said(worker, "Hello there.", voice=name) for name in SPEAKERS]
    calls = [said(worker, "Hello there.", voice=name) for name in SPEAKERS]
    for before, sounds in zip(alone, await asyncio.gather(*calls), strict=True):
        assert resemble(before[0], sounds[0])
