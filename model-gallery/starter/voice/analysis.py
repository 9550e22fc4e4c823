"""What the model learns of a recording: loudness by band, share of noise by band, and pitch."""

# Scientific libraries without types; the code says what their values are.
# mypy: disable-error-code="import-untyped,import-not-found"

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, median_filter, minimum_filter1d, uniform_filter1d
from scipy.signal import resample_poly

from .shape import BANDS, FEATURES, FLOOR, HOP, NOISE_BANDS, RATE

Floats = NDArray[np.float32]
SPECTRUM = 1024
BIN = RATE / SPECTRUM
PITCH_WINDOW = 640
PITCH_SPECTRUM = 2048
VOICED = 0.55
QUIET = 1e-4
# Below this frequency, in Hz, espeak-ng adds no noise to a sound that has a voice.
NEVER_NOISY = 900.0
SCALE = 1.0 / 32768.0


def band_centres(count: int) -> Floats:
    """Return the middles of bands in Hz, evenly spaced on the mel scale from 40 Hz up."""
    lowest, highest = (2595.0 * np.log10(1.0 + f / 700.0) for f in (40.0, RATE / 2))
    mels = np.linspace(lowest, highest, count)
    return (700.0 * (10.0 ** (mels / 2595.0) - 1.0)).astype(np.float32)


def resample(samples: NDArray[np.int16], rate: int) -> Floats:
    """Return samples between -1 and 1 at the rate of the model."""
    divisor = int(np.gcd(rate, RATE))
    scaled = samples.astype(np.float32) * SCALE
    return np.asarray(resample_poly(scaled, RATE // divisor, rate // divisor), dtype=np.float32)


def analyse(samples: Floats, frames: int, middle: float, pure: NDArray[np.bool_]) -> Floats:
    """Return the features of a recording, one row for each frame.

    `middle` is about the pitch of the speaker in Hz; `pure` marks frames of sounds without noise.
    """
    pitch, voiced = _pitch(samples, frames, middle)
    long = _power(_cut(samples, frames, round(4.0 * RATE / middle)))
    short = _power(_cut(samples, frames, round(2.2 * RATE / middle)))
    noise = _noise_share(long, pitch, middle)
    noise[pure] = 0.0
    noise[:, band_centres(NOISE_BANDS) < NEVER_NOISY] = 0.0
    noise[~voiced] = 1.0
    centres = band_centres(BANDS)
    loud = np.where(voiced[:, None], _harmonic(long, pitch, middle), _smooth(short, centres))
    features = np.empty((frames, FEATURES), dtype=np.float32)
    features[:, :BANDS] = np.maximum(0.5 * np.log(loud + 1e-12), FLOOR)
    features[:, BANDS:-1] = noise
    features[:, -1] = np.log(pitch)
    return features


def _cut(samples: Floats, frames: int, size: int) -> Floats:
    """Return windows of some size around the middle of each frame."""
    padded = np.pad(samples, (size, size + frames * HOP))
    starts = np.arange(frames) * HOP + HOP // 2 + size - size // 2
    return np.asarray(padded[starts[:, None] + np.arange(size)[None, :]], dtype=np.float32)


def _power(windows: Floats) -> Floats:
    """Return the density of power of Hann windows of noise or of many periods."""
    shape = np.hanning(windows.shape[1]).astype(np.float32)
    spectrum = scipy.fft.rfft(windows * shape, SPECTRUM)
    return np.asarray(np.abs(spectrum) ** 2 / np.sum(shape**2), dtype=np.float32)


def _pitch(samples: Floats, frames: int, middle: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return pitch in Hz, filled in between voiced parts, and which frames are voiced."""
    windows = _cut(samples, frames, PITCH_WINDOW)
    windows = windows - windows.mean(axis=1, keepdims=True)
    shape = np.hanning(PITCH_WINDOW).astype(np.float32)
    power = np.abs(scipy.fft.rfft(windows * shape, PITCH_SPECTRUM)) ** 2
    reference = np.abs(scipy.fft.rfft(shape, PITCH_SPECTRUM)) ** 2
    shortest, longest = int(RATE / (middle * 1.7)), int(RATE / (middle * 0.6))
    similarity = scipy.fft.irfft(power)[:, : longest + 2]
    own = scipy.fft.irfft(reference)[: longest + 2]
    similarity = similarity / own * own[0] / (similarity[:, :1] + 1e-9)
    lags = np.arange(shortest, longest)
    lag = lags[np.argmax(similarity[:, lags] - 0.0006 * lags, axis=1)]
    rows = np.arange(frames)
    before, at, after = (similarity[rows, lag + step] for step in (-1, 0, 1))
    bend = np.minimum(before - 2.0 * at + after, -1e-6)
    pitch = RATE / (lag + np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
    energy = np.mean(windows**2, axis=1)
    inside = (lag > lags[0]) & (lag < lags[-1])
    voiced = (at > VOICED) & inside & (energy > QUIET * QUIET * 100)
    voiced = median_filter(voiced.astype(np.uint8), 5).astype(bool)
    return _fill(pitch, voiced, middle), voiced


def _fill(pitch: NDArray[np.float64], voiced: NDArray[np.bool_], middle: float) -> Floats:
    places = np.flatnonzero(voiced)
    if not len(places):
        return np.full(len(pitch), middle, dtype=np.float32)
    smooth = median_filter(pitch[places], 5)
    filled = np.interp(np.arange(len(pitch)), places, smooth)
    return np.asarray(filled, dtype=np.float32)


def _harmonic(power: Floats, pitch: Floats, middle: float) -> Floats:
    """Return power at bands, drawn through the peaks at the multiples of the pitch."""
    centres = band_centres(BANDS)
    reach = max(1, round(0.3 * middle / BIN))
    peaks = maximum_filter1d(power, 2 * reach + 1, axis=1)
    place = np.maximum(centres[None, :] / pitch[:, None], 1.0)
    lower = np.minimum(np.floor(place), np.floor(RATE / 2 / pitch[:, None]) - 1)
    part = np.clip(place - lower, 0.0, 1.0)
    rows = np.arange(len(pitch))[:, None]
    bins = [np.round((lower + step) * pitch[:, None] / BIN).astype(int) for step in (0, 1)]
    logs = [np.log(peaks[rows, np.minimum(b, SPECTRUM // 2)] + 1e-12) for b in bins]
    drawn = np.exp(logs[0] * (1 - part) + logs[1] * part)
    # The peak of a sine in a Hann window of four periods, as density of power, is too high by this.
    return np.asarray(drawn * 0.375 * middle / pitch[:, None], dtype=np.float32)


def _smooth(power: Floats, centres: Floats) -> Floats:
    """Return power at bands, averaged over the width of each band."""
    edges = np.concatenate([[0.0], (centres[1:] + centres[:-1]) / 2, [RATE / 2]])
    total = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
    places = np.clip(np.round(edges / BIN).astype(int), 0, SPECTRUM // 2 + 1)
    low, high = places[:-1], np.maximum(places[1:], places[:-1] + 1)
    high = np.minimum(high, SPECTRUM // 2 + 1)
    low = np.minimum(low, high - 1)
    return np.asarray((total[:, high] - total[:, low]) / (high - low), dtype=np.float32)


def _noise_share(power: Floats, pitch: Floats, middle: float) -> Floats:
    """Return the share of noise in broad bands, from the depth of the valleys of the spectrum."""
    width = max(3, round(middle / BIN))
    peaks = uniform_filter1d(maximum_filter1d(power, width, axis=1), 5, axis=0)
    valleys = uniform_filter1d(minimum_filter1d(power, width, axis=1), 5, axis=0)
    depth = _smooth(valleys, band_centres(NOISE_BANDS)) / (
        _smooth(peaks, band_centres(NOISE_BANDS)) + 1e-12
    )
    return np.asarray(np.clip((depth - 0.02) / 0.08, 0.0, 1.0), dtype=np.float32)
