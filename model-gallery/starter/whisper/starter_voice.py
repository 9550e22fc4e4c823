"""The starter voice as another source of clips, through piper-tts."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig

from .clips import FRAME_SECONDS, UNKNOWN, Clip, integers
from .sentences import Sentences
from .sound import RATE, Sound, extent, resample, worsen

VOICE = Path(__file__).parents[1] / "voice" / "starter-voice.onnx"
ENDS = ("", ".", ".", "?", "!")


class StarterVoice:
    """A Piper voice whose speakers say sentences."""

    def __init__(self, path: Path = VOICE) -> None:
        self._voice = PiperVoice.load(path, include_alignments=True)
        self.speakers: int = self._voice.config.num_speakers
        self.rate: int = self._voice.config.sample_rate

    def speak(self, text: str, speaker: int, speed: float, **noise: float) -> Sound:
        """Return the sound of a text at 16 kHz."""
        return np.concatenate([sound for sound, _ in self._parts(text, speaker, speed, noise)])

    def timed(
        self, text: str, speaker: int, speed: float, **noise: float
    ) -> tuple[Sound, list[float] | None]:
        """Return the sound of one sentence and the start of each word, where they are known."""
        ((sound, alignments),) = self._parts(text, speaker, speed, noise)
        starts, moment, ready = [], 0.0, True
        for item in alignments or []:
            if ready and item.phoneme not in "^ ":
                starts.append(moment)
            ready = item.phoneme in "^ "
            moment += item.num_samples / self.rate
        return sound, starts if len(starts) == len(text.split()) else None

    def _parts(
        self, text: str, speaker: int, speed: float, noise: dict[str, float]
    ) -> Iterator[tuple[Sound, Any]]:
        manner = SynthesisConfig(speaker, 1 / speed, noise.get("noise"), noise.get("lengths"))
        for chunk in self._voice.synthesize(text, manner, include_alignments=True):
            sound = resample(chunk.audio_float_array, chunk.sample_rate)
            yield sound, chunk.phoneme_alignments


def voice_clips(voice: StarterVoice, count: int, seed: int) -> Iterator[Clip]:
    """Yield clips of all speakers at many speeds."""
    rng, sentences = Random(seed), Sentences(seed)
    for number in range(count):
        text = sentences.draw()
        noise = {"noise": rng.uniform(0, 1), "lengths": rng.uniform(0, 0.8)}
        speed = rng.choice((1.0, rng.uniform(0.7, 1.45)))
        spoken = text + rng.choice(ENDS)
        sound, starts = voice.timed(spoken, number % voice.speakers, speed, **noise)
        begin, end = extent(sound)
        phonemes = np.full(int(len(sound) / RATE / FRAME_SECONDS) + 1, UNKNOWN, np.int16)
        times = word_times(starts, begin, end)
        words = tuple(text.split())
        yield Clip(integers(worsen(sound, rng)), words, times, begin, end, phonemes)


def word_times(starts: list[float] | None, begin: float, end: float) -> NDArray[np.float32] | None:
    """Return starts and ends of words; each ends where the next begins."""
    if starts is None:
        return None
    inside = [min(max(begin, start), end) for start in starts]
    return np.array([inside, [*inside[1:], end]], np.float32).T
