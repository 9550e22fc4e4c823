"""The recordings of the training: sentences that espeak-ng spoke, as ids, frames and features."""

# Scientific libraries without types; the code says what their values are.
# mypy: disable-error-code="import-untyped,import-not-found"

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

from .alignment import Aligned, Aligner
from .analysis import Floats, analyse, resample
from .espeak import Espeak
from .sentences import Writer
from .shape import HOP, LEAD_FRAMES
from .speakers import SPEAKERS, Speaker

# Sounds that espeak-ng makes by formants alone, without any recorded noise.
PURE = "aeiouæɐɑɒɔəɚɛɜɪʊʌᵻɹlwjmnŋɾʲː"  # noqa: RUF001
PURE_IDS = [DEFAULT_PHONEME_ID_MAP[symbol][0] for symbol in PURE]


@dataclass(frozen=True)
class Recording:
    """One sentence of one speaker; features are [frames, FEATURES] in half precision."""

    text: str
    speaker: int
    ids: list[int]
    frames: list[int]
    features: NDArray[np.float16]


def samples_of(spoken: Floats, aligned: Aligned) -> Floats:
    """Return samples with the silence of the first and last id around them."""
    length = sum(aligned.frames) * HOP
    return np.pad(spoken, (LEAD_FRAMES * HOP, length))[:length]


def _record(aligned: Aligned, spoken: Floats, speaker: Speaker) -> Floats:
    pure = np.repeat(np.isin(aligned.ids, PURE_IDS), aligned.frames)
    samples = samples_of(spoken, aligned)
    return analyse(samples, sum(aligned.frames), speaker.middle, pure)


def recordings(seed: int) -> Iterator[Recording]:
    """Yield recordings without end, of one speaker after the other."""
    aligner, number = Aligner(), 0
    with TemporaryDirectory() as folder:
        espeak = Espeak(Path(folder), SPEAKERS)
        for text in Writer(seed).sentences():
            index = number % len(SPEAKERS)
            spoken = espeak.say(text, SPEAKERS[index])
            aligned = aligner.align(text, spoken)
            if aligned is None:
                continue
            samples = resample(spoken.samples, spoken.rate)
            features = _record(aligned, samples, SPEAKERS[index]).astype(np.float16)
            yield Recording(text, index, aligned.ids, aligned.frames, features)
            number += 1
