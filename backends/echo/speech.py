"""A tone a word: audio that can be heard, counted and told apart, made of nothing."""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
import zlib
from collections.abc import AsyncGenerator

from localai.errors import InvalidRequest, nearest
from localai.protocol.audio import OPENAI_VOICES, SpeechRequest
from localai.worker.results import Sound

from .triggers import Triggers, split_triggers

RATE = 16_000
WORD_SECONDS = 0.25
"""How long the tone of a word is at speed 1; a fifth of it is silence."""
_LOUDNESS = 0.5
_FADE_SECONDS = 0.01


async def tones(request: SpeechRequest, base: Triggers) -> AsyncGenerator[Sound, None]:
    """Yield a tone for each word of the input, whose pitch the word and the voice decide.

    Raises InvalidRequest for an unknown voice.
    """
    text, triggers = split_triggers(request.input, base)
    octave = 1 + _voice_number(request.voice_name()) / len(OPENAI_VOICES)
    seconds = WORD_SECONDS / (request.speed or 1)
    words = _words(text, triggers.words)
    await asyncio.sleep(triggers.delay)
    triggers.strike("before")
    for number, word in enumerate(words):
        if number:
            await asyncio.sleep(triggers.slow)
        yield Sound(_tone(_pitch(word) * octave, seconds), RATE)
        if number == min(2, len(words) - 1):
            triggers.strike("mid")


def _words(text: str, count: int | None) -> list[str]:
    once = text.split() or [""]
    return once if count is None else list(itertools.islice(itertools.cycle(once), count or 1))


def _voice_number(name: str | None) -> int:
    if name is None:
        return 0
    if name not in OPENAI_VOICES:
        known = ", ".join(OPENAI_VOICES)
        raise InvalidRequest(
            f"There is no voice '{name}'. It can be one of {known}.{nearest(name, OPENAI_VOICES)}",
            param="voice",
        )
    return OPENAI_VOICES.index(name)


def _pitch(word: str) -> float:
    """Return 200 to 400 Hz, the same for the same word."""
    return 200 + zlib.crc32(word.encode()) % 200


def _tone(pitch: float, seconds: float) -> bytes:
    whole, sounding = round(seconds * RATE), round(0.8 * seconds * RATE)
    fade = _FADE_SECONDS * RATE
    samples = [
        round(
            32767 * _LOUDNESS * min(1.0, at / fade, (sounding - at) / fade)
            * math.sin(2 * math.pi * pitch * at / RATE)
        )
        for at in range(sounding)
    ]  # fmt: skip
    return struct.pack(f"<{len(samples)}h", *samples) + b"\0\0" * (whole - sounding)
