"""From text to samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig

from backends.piper.options import Options
from backends.piper.phrases import Phrase, phrases_of, plain_text
from localai.errors import EngineFailed

_FADE_SECONDS = 0.004
"""At both ends of a phrase, where a voice does not begin or end at zero: that would click."""
_LEAST_SILENCE = 0.2
"""Seconds of the answer to a text that has nothing to say."""


@dataclass(frozen=True, slots=True)
class Manner:
    """Who speaks, and how fast."""

    speaker: int | None
    speed: float


class Speaking:
    """A voice that says phrases; may be used by several threads."""

    def __init__(self, voice: PiperVoice, options: Options) -> None:
        self._voice = voice
        self._options = options
        self.rate: int = voice.config.sample_rate

    def phrases(self, text: str) -> list[Phrase]:
        """Return what there is to say, possibly nothing."""
        return phrases_of(self._voice.phonemize(plain_text(text)))

    def say(self, phrase: Phrase, manner: Manner) -> bytes:
        """Return the phrase as 16-bit samples."""
        ids = self._voice.phonemes_to_ids(phrase.phonemes)
        spoken = self._voice.phoneme_ids_to_audio(ids, self._settings(manner))
        samples = np.atleast_1d(np.asarray(spoken, np.float32))
        if not np.isfinite(samples).all():
            raise EngineFailed("The voice made samples that are no numbers: its file is broken.")
        loud = self._loudened(_faded(samples, int(_FADE_SECONDS * self.rate)))
        return np.rint(loud * 32767).astype("<i2").tobytes()

    def pause(self, manner: Manner) -> bytes:
        """Return the silence between two sentences."""
        return self.silence(self._options.sentence_silence / manner.speed)

    def silence(self, seconds: float = _LEAST_SILENCE) -> bytes:
        """Return silence."""
        return b"\0\0" * round(seconds * self.rate)

    def _settings(self, manner: Manner) -> SynthesisConfig:
        scale = self._options.length_scale or self._voice.config.length_scale
        return SynthesisConfig(
            speaker_id=manner.speaker,
            length_scale=scale / manner.speed,
            noise_scale=self._options.noise_scale,
            noise_w_scale=self._options.noise_w,
        )

    def _loudened(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        peak = float(np.max(np.abs(samples), initial=0.0))
        normal = 1 / peak if self._options.normalize and peak > 1e-8 else 1.0
        louder = samples * np.float32(normal * self._options.volume)
        return np.asarray(np.clip(louder, -1, 1), np.float32)


def _faded(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    length = min(length, len(samples) // 2)
    ramp = np.linspace(0, 1, length, endpoint=False, dtype=np.float32)
    faded = samples.copy()
    faded[:length] *= ramp
    faded[len(faded) - length :] *= ramp[::-1]
    return faded
