"""What can be heard in spoken audio: how long it is, how loud, how high, and whether it clicks."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

MAGIC = {
    "mp3": (b"ID3", b"\xff\xf3", b"\xff\xfb"),
    "opus": (b"OggS",),
    "aac": (b"\xff\xf1", b"\xff\xf9"),
    "flac": (b"fLaC",),
    "wav": (b"RIFF",),
}
"""How files of each format begin."""
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


@dataclass(frozen=True)
class Heard:
    """Decoded audio: samples from -1 to 1 of all channels, shape (samples,)."""

    samples: NDArray[np.float32]
    rate: int
    channels: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @property
    def loudness(self) -> float:
        """The root of the mean square."""
        return float(np.sqrt(np.mean(self.samples**2)))

    def pitch(self, start: float, end: float) -> float:
        """Return the strongest frequency between two times, in Hz."""
        part = self.samples[int(start * self.rate) : int(end * self.rate)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 8 * len(part)))
        return float(np.argmax(spectrum) * self.rate / (8 * len(part)))

    def quiet_stretches(self, least: float, level: float = 0.02) -> list[tuple[float, float]]:
        """Return where it is quieter than `level` for at least `least` seconds."""
        loud = np.flatnonzero(np.abs(self.samples) > level)
        edges = [-1, *loud.tolist(), len(self.samples)]
        return [
            (before / self.rate, after / self.rate)
            for before, after in itertools.pairwise(edges)
            if after - before > least * self.rate
        ]


def hear(audio: bytes, name: str = "mp3", rate: int = 24_000) -> Heard:
    """Decode audio of the format `name`; `rate` is for PCM, which does not say its own."""
    if name == "pcm":
        return Heard(np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32768), rate, 1)
    assert audio.startswith(MAGIC[name]), audio[:8]
    with av.open(io.BytesIO(audio), "r") as container:
        resampler = av.AudioResampler(format="flt")
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    samples = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
    return Heard(samples.astype(np.float32), frames[0].sample_rate, len(frames[0].layout.channels))
