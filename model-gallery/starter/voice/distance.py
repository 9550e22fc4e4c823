"""Mel-cepstral distance of two recordings whose timing differs."""

# Scientific libraries without types; the code says what their values are.
# mypy: disable-error-code="import-untyped,import-not-found"

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .analysis import Floats, band_centres
from .shape import RATE

STEP = 160
WINDOW = 512
FILTERS = 40
KEPT = 13
DECIBELS = 10.0 * np.sqrt(2.0) / np.log(10.0)

Matrix = NDArray[np.float64]


def cepstra(samples: Floats) -> Matrix:
    """Return the cepstral coefficients 1 to 13 of every 10 ms that is not silent."""
    padded = np.pad(samples.astype(np.float64), WINDOW // 2)
    starts = np.arange(0, len(samples) - STEP, STEP)
    windows = padded[starts[:, None] + np.arange(WINDOW)[None, :]] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(windows)) ** 2
    logs = np.log(power @ _filters() + 1e-4)
    loud = windows.std(axis=1) > 0.01 * windows.std(axis=1).max()
    found = scipy.fft.dct(logs, norm="ortho", axis=1)[:, 1 : KEPT + 1]
    return np.asarray(found[loud] * np.sqrt(2.0 / FILTERS))


def _filters() -> Matrix:
    """Return triangles on the mel scale, as columns."""
    middles = band_centres(FILTERS + 2).astype(np.float64)
    frequencies = np.fft.rfftfreq(WINDOW, 1.0 / RATE)[:, None]
    rise = (frequencies - middles[None, :-2]) / (middles[1:-1] - middles[:-2])
    fall = (middles[None, 2:] - frequencies) / (middles[2:] - middles[1:-1])
    return np.clip(np.minimum(rise, fall), 0.0, None)


def distance(one: Matrix, other: Matrix) -> float:
    """Return the mean distance in dB along the best warping of time."""
    apart = np.sqrt(((one[:, None, :] - other[None, :, :]) ** 2).sum(axis=2))
    rows, columns = apart.shape
    cost = np.full((rows + 1, columns + 1), np.inf)
    count = np.zeros((rows + 1, columns + 1))
    cost[0, 0] = 0.0
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            places = ((row - 1, column - 1), (row - 1, column), (row, column - 1))
            best = min(places, key=lambda place: cost[place])
            cost[row, column] = cost[best] + apart[row - 1, column - 1]
            count[row, column] = count[best] + 1
    return float(DECIBELS * cost[-1, -1] / count[-1, -1])
