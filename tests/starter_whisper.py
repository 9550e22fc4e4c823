"""The embedded recogniser: where it is, what it has to hear, and how wrong it is."""

from __future__ import annotations

import re
import wave
from collections.abc import Sequence
from functools import cache
from io import BytesIO

import numpy as np
import yaml
from piper import PiperVoice, SynthesisConfig

from localai.settings import builtin_cards_folder
from tests.recordings import Samples, silence
from tests.starter_voice import SPEAKERS, VOICE

FOLDER = builtin_cards_folder().parent / "whisper"
MODEL = FOLDER / "starter-whisper"
RATE = 16_000


def held_out() -> list[str]:
    """Return sentences that the training has never used."""
    sentences: list[str] = yaml.safe_load((FOLDER / "held_out.yaml").read_text("utf-8"))
    return sentences


def say(sentence: str, speaker: int = 0) -> Samples:
    """Return `sentence` in the embedded voice, at 16 kHz."""
    voice = _voice()
    config = SynthesisConfig(speaker_id=speaker % len(SPEAKERS))
    spoken = np.concatenate([part.audio_float_array for part in voice.synthesize(sentence, config)])
    count = round(len(spoken) * RATE / voice.config.sample_rate)
    places = np.linspace(0, len(spoken) - 1, count)
    samples: Samples = np.interp(places, np.arange(len(spoken)), spoken).astype(np.float32)
    return samples


def conversation(sentences: Sequence[str], pause: float = 0.8) -> tuple[Samples, list[float]]:
    """Return the sentences one after another, by changing speakers, and when each begins."""
    parts: list[Samples] = []
    starts: list[float] = []
    for number, sentence in enumerate(sentences):
        starts.append(sum(map(len, parts)) / RATE)
        parts += [say(sentence, number), silence(pause)]
    return np.concatenate(parts), starts


def as_wav(samples: Samples) -> bytes:
    """Return a WAV file of 16 kHz."""
    file = BytesIO()
    with wave.open(file, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(RATE)
        output.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Return how many words are wrong, missing or too many, and how many were said."""
    wanted, got = _words(said), _words(heard)
    row = list(range(len(got) + 1))
    for number, word in enumerate(wanted, start=1):
        diagonal, row[0] = row[0], number
        for at, other in enumerate(got, start=1):
            cheapest = min(row[at] + 1, row[at - 1] + 1, diagonal + (word != other))
            diagonal, row[at] = row[at], cheapest
    return row[-1], len(wanted)


def error_rate(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the word error rate over all pairs of what was said and what was heard."""
    counts = [word_errors(said, heard) for said, heard in pairs]
    return sum(errors for errors, _ in counts) / sum(words for _, words in counts)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


@cache
def _voice() -> PiperVoice:
    return PiperVoice.load(VOICE)
