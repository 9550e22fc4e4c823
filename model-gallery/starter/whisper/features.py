"""The log-mel features of Whisper, as faster-whisper makes them, in torch."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from torch import Tensor

from .sound import Sound

WINDOW = 400
HOP = 160
BANDS = 80


@cache
def _filters() -> Tensor:
    return torch.from_numpy(np.asarray(FeatureExtractor().mel_filters, np.float32))


@cache
def _window() -> Tensor:
    return torch.hann_window(WINDOW)


def log_mel(sound: Sound, louder: float = 0.0) -> Tensor:
    """Return the features of a sound: 80 bands, one column every 10 ms.

    The loudest value of the whole file sets the floor; louder (in powers of ten) is for a part of
    a file whose loudest moment lies outside.
    """
    spectrum = torch.stft(
        torch.from_numpy(sound), WINDOW, HOP, window=_window(), center=True, return_complex=True
    )
    power = spectrum[:, : len(sound) // HOP].abs() ** 2
    levels = (_filters() @ power).clamp(min=1e-10).log10()
    return (levels.clamp(min=levels.max().item() + louder - 8.0) + 4.0) / 4.0


def stack(features: Sequence[Tensor], columns: int) -> Tensor:
    """Put features side by side into a batch; what follows the sound is 0, not silence."""
    batch = torch.zeros(len(features), BANDS, columns)
    for row, item in enumerate(features):
        width = min(columns, item.shape[1])
        batch[row, :, :width] = item[:, :width]
    return batch
