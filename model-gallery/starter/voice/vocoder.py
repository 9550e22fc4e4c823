"""Sound from features: pulses and noise, shaped by a filter that changes with every frame."""

# Where torch is not installed its classes are unknown; a "type: ignore" would be unused with it.
# mypy: disallow-subclassing-any=False

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .analysis import band_centres
from .shape import BANDS, HOP, NOISE_BANDS, RATE

SPECTRUM = 512
BINS = SPECTRUM // 2 + 1
WINDOW = 2 * HOP
EARLY = 64
NOISE_SAMPLES = 24001
NOISE_SEED = 5


def _between(count: int) -> NDArray[np.float64]:
    """Return the matrix that draws lines through values of bands, at every frequency."""
    frequencies = np.arange(BINS) * RATE / SPECTRUM
    rows = np.eye(count)
    return np.stack([np.interp(frequencies, band_centres(count), row) for row in rows])


def _minimum_phase() -> NDArray[np.float64]:
    """Return the matrix from log amplitude to the phase of the filter without delay."""
    logs = np.eye(BINS)
    cepstrum = np.fft.irfft(logs, SPECTRUM, axis=1)
    cepstrum[:, 1 : SPECTRUM // 2] *= 2.0
    cepstrum[:, SPECTRUM // 2 + 1 :] = 0.0
    return np.fft.rfft(cepstrum, axis=1).imag


def _analysis() -> NDArray[np.float64]:
    """Return the windowed transform of a piece of sound as a kernel of a convolution."""
    shape = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)
    times = np.arange(WINDOW) + EARLY
    angles = 2.0 * np.pi * np.outer(np.arange(BINS), times) / SPECTRUM
    return np.concatenate([np.cos(angles) * shape, -np.sin(angles) * shape])[:, None, :]


def _synthesis() -> NDArray[np.float64]:
    """Return the way back from spectrum to sound."""
    angles = 2.0 * np.pi * np.outer(np.arange(BINS), np.arange(SPECTRUM)) / SPECTRUM
    weight = np.full((BINS, 1), 2.0 / SPECTRUM)
    weight[0] = weight[-1] = 1.0 / SPECTRUM
    return np.concatenate([np.cos(angles) * weight, -np.sin(angles) * weight])[:, None, :]


def _constant(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


class Vocoder(nn.Module):
    """Turns log amplitudes, shares of noise and pitch into samples; nothing in it is trained."""

    filter: Tensor
    shares: Tensor
    analysis: Tensor
    synthesis: Tensor
    noise: Tensor

    def __init__(self) -> None:
        super().__init__()
        bands = _between(BANDS)
        both = np.concatenate([bands, bands @ _minimum_phase()], axis=1)
        noise = np.random.default_rng(NOISE_SEED).standard_normal(NOISE_SAMPLES)
        self.register_buffer("filter", _constant(both))
        self.register_buffer("shares", _constant(_between(NOISE_BANDS)))
        self.register_buffer("analysis", _constant(_analysis()))
        self.register_buffer("synthesis", _constant(_synthesis()))
        self.register_buffer("noise", _constant(noise))

    def forward(self, features: Tensor) -> Tensor:
        """Return samples [samples] of features [frames, FEATURES]."""
        loud, noise, pitch = features[:, :BANDS], features[:, BANDS:-1], features[:, -1:]
        shares = torch.matmul(noise.clamp(0.0, 1.0), self.shares)
        pulses = self._transform(self._pulses(pitch.exp()))
        hiss = self._transform(self._hiss(features.shape[0]))
        weights = torch.cat([shares, shares], dim=1).clamp(1e-6, 1.0 - 1e-6)
        mixed = pulses * (1.0 - weights).sqrt() + hiss * weights.sqrt()
        return self._shape(mixed, torch.matmul(loud, self.filter))

    def _shape(self, mixed: Tensor, response: Tensor) -> Tensor:
        amplitude, phase = response[:, :BINS].exp(), response[:, BINS:]
        real, imaginary = amplitude * phase.cos(), amplitude * phase.sin()
        x, y = mixed[:, :BINS], mixed[:, BINS:]
        turned = torch.cat([x * real - y * imaginary, x * imaginary + y * real], dim=1)
        added = functional.conv_transpose1d(turned.t().unsqueeze(0), self.synthesis, stride=HOP)
        start = HOP // 2 + EARLY
        return added[0, 0, start : start + mixed.shape[0] * HOP]

    def _transform(self, samples: Tensor) -> Tensor:
        padded = functional.pad(samples.reshape(1, 1, -1), (HOP // 2, HOP // 2))
        return functional.conv1d(padded, self.analysis, stride=HOP)[0].t()

    def _pulses(self, pitch: Tensor) -> Tensor:
        """Return equally loud harmonics of a pitch [frames, 1] up to half the rate."""
        cycles = (pitch * (HOP / RATE)).double()
        begun = torch.cumsum(cycles, dim=0) - cycles
        offsets = torch.arange(HOP, dtype=torch.float32).reshape(1, HOP)
        turns = (begun - begun.floor()).float() + pitch * (offsets / RATE)
        angle = (turns - turns.round()) * (2.0 * math.pi)
        highest = (0.49 * RATE / pitch).floor()
        half = (0.5 * angle).sin()
        near = half.abs() < 1e-4
        ratio = ((highest + 0.5) * angle).sin() / torch.where(near, torch.ones_like(half), half)
        total = torch.where(near, highest.expand_as(half), 0.5 * ratio - 0.5)
        return (total * (2.0 * (pitch / RATE).sqrt())).reshape(-1)

    def _hiss(self, frames: int) -> Tensor:
        places = torch.arange(frames * HOP) % NOISE_SAMPLES
        return self.noise[places]
