"""Clips: one spoken sentence each, with the times of words and phonemes."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from .espeak import Manner, espeak
from .sentences import Sentences
from .sound import RATE, Sound, extent, resample, worsen

FRAME_SECONDS = 0.02
UNKNOWN = -1
PAUSE = 0
PHONEMES = 128

LANGUAGES = {
    "en-us": 40,
    "en": 26,
    "en-gb-x-rp": 9,
    "en-gb-scotland": 9,
    "en-us-nyc": 6,
    "en-029": 5,
    "en-gb-x-gbclan": 2,
    "en-gb-x-gbcwmd": 3,
}
COMMON_VARIANTS = ("", "m1", "m2", "m3", "m4", "m5", "m7", "m8", "f1", "f2", "f3", "f5")
RARE_VARIANTS = (
    *("Annie", "Michael", "whisper", "croak", "Andy", "Mario", "linda", "john", "klatt2"),
    *("Alicia", "Gene", "adam", "belinda", "max", "grandma", "caleb", "shelby", "robert"),
    *("aunty", "Lee", "Storm"),
)
UNSEEN_VARIANTS = ("m6", "f4", "steph", "zac")


@dataclass(frozen=True)
class Clip:
    """Sound at 16 kHz, its words with their starts and ends in seconds, a phoneme every 20 ms."""

    sound: NDArray[np.int16]
    words: tuple[str, ...]
    times: NDArray[np.float32] | None
    begin: float
    end: float
    phonemes: NDArray[np.int16]


def manner(rng: Random) -> Manner:
    """Choose how a sentence is spoken."""
    language = rng.choices(list(LANGUAGES), list(LANGUAGES.values()))[0]
    variant = rng.choice(COMMON_VARIANTS if rng.random() < 0.7 else RARE_VARIANTS)
    rate = round(min(240.0, max(105.0, rng.gauss(163, 28))))
    pitch = round(min(90.0, max(10.0, rng.gauss(50, 16))))
    voice = f"{language}+{variant}" if variant else language
    return Manner(voice, rate, pitch, rng.randint(20, 80))


class Inventory:
    """Numbers the names of phonemes as they appear; stress does not count."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Return the number of a phoneme, 0 for a pause."""
        plain = name.strip("',%=_:|")
        if not plain:
            return PAUSE
        return min(self._numbers.setdefault(plain, len(self._numbers) + 1), PHONEMES - 1)


def espeak_clips(count: int, seed: int) -> Iterator[Clip]:
    """Yield clips of espeak-ng."""
    rng, sentences, inventory = Random(seed), Sentences(seed), Inventory()
    for _ in range(count):
        text = sentences.draw()
        speech = espeak().speak(text, manner(rng))
        sound = resample(speech.sound, speech.rate)
        begin, end = extent(sound)
        starts = [max(begin, mark.start) for mark in speech.words]
        times = np.array([starts, [*starts[1:], end]], np.float32).T
        phonemes = np.zeros(int(len(sound) / RATE / FRAME_SECONDS) + 1, np.int16)
        for mark in speech.phonemes:
            phonemes[int(mark.start / FRAME_SECONDS + 0.5) :] = inventory.number(mark.name)
        words = tuple(text.split())
        yield Clip(integers(worsen(sound, rng)), words, times, begin, end, phonemes)


def integers(sound: Sound) -> NDArray[np.int16]:
    """Return a sound as 16-bit integers."""
    return np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16)
