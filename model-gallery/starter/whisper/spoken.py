"""Speech to measure with: espeak-ng and the starter voice, short and long."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from .clips import UNSEEN_VARIANTS, manner
from .espeak import Manner, Speech, espeak
from .sentences import held_out
from .sound import RATE, Sound, compress, extent, resample

Say = Callable[[str], Sound]
BEFORE_AND_AFTER = 0.3


@dataclass(frozen=True)
class Case:
    """A sound and what it says."""

    sound: Sound
    text: str


def with_espeak(rng: Random) -> Say:
    """Return a speaker of espeak-ng who changes with each sentence, as in training."""
    return lambda text: _sound(espeak().speak(text, manner(rng)))


def with_unseen_variants(rng: Random) -> Say:
    """Return a speaker of espeak-ng with variants that the training lacks."""

    def say(text: str) -> Sound:
        voice = f"{rng.choice(('en-us', 'en'))}+{rng.choice(UNSEEN_VARIANTS)}"
        return _sound(espeak().speak(text, Manner(voice, rng.randint(130, 190))))

    return say


def _sound(speech: Speech) -> Sound:
    return resample(speech.sound, speech.rate)


def quiet(seconds: float) -> Sound:
    """Return silence."""
    return np.zeros(int(seconds * RATE), np.float32)


def held_out_cases(say: Say) -> Iterator[Case]:
    """Yield the held-out sentences."""
    for text in held_out():
        yield Case(say(text), text)


def mp3_cases(say: Say) -> Iterator[Case]:
    """Yield the held-out sentences through MP3 of 64 kbit/s."""
    for case in held_out_cases(say):
        yield Case(compress(case.sound, "mp3", "libmp3lame", 64000), case.text)


def padded_cases(say: Say, rng: Random) -> Iterator[Case]:
    """Yield the held-out sentences with silence of up to 3 seconds before and after."""
    for case in held_out_cases(say):
        parts = (quiet(rng.uniform(0, 3)), case.sound, quiet(rng.uniform(0, 3)))
        yield Case(np.concatenate(parts), case.text)


def long_cases(say: Say, rng: Random, count: int) -> Iterator[Case]:
    """Yield sounds of 64 to 90 seconds, held-out sentences with gaps of 0.15 to 1.2 seconds."""
    for _ in range(count):
        parts: list[Sound] = []
        texts: list[str] = []
        wanted = rng.uniform(64, 88)
        while sum(map(len, parts)) < wanted * RATE:
            text = rng.choice(held_out())
            texts.append(text)
            parts += [say(text), quiet(rng.uniform(0.15, 1.2))]
        yield Case(np.concatenate(parts), " ".join(texts))


def words_with_starts(
    rng: Random, texts: Sequence[str]
) -> Iterator[tuple[Case, list[float], float]]:
    """Yield speech of espeak-ng after some silence, the start of each word and the last end."""
    for text in texts:
        speech = espeak().speak(text, manner(rng))
        sound = _sound(speech)
        begin, end = extent(sound)
        lead = rng.uniform(0.0, 0.8)
        starts = [lead + max(begin, mark.start) for mark in speech.words]
        yield Case(np.concatenate([quiet(lead), sound]), text), starts, lead + end


def without_speech(rng: Random) -> Iterator[Sound]:
    """Yield silence, noise and tones of 1 to 40 seconds."""
    random = np.random.default_rng(rng.getrandbits(32))
    for number in range(40):
        length = int(rng.choice((1, 3, 10, 40)) * RATE)
        if number % 4 == 0:
            yield np.zeros(length, np.float32)
            continue
        level = 10 ** (-rng.uniform(10, 70) / 20)
        sound = level * random.standard_normal(length)
        if number % 4 == 1:
            sound += 0.1 * np.sin(2 * np.pi * rng.uniform(50, 2000) * np.arange(length) / RATE)
        yield sound.astype(np.float32)
