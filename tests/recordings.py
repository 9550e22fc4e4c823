"""Recordings that tests make themselves: tones, noise and silence in any container."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""One channel, from -1 to 1."""
CONTAINERS = {
    "wav": ("wav", "pcm_s16le", 16_000),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "flac": ("flac", "flac", 22_050),
    "ogg": ("ogg", "vorbis", 44_100),
    "opus": ("ogg", "libopus", 48_000),
    "m4a": ("ipod", "aac", 44_100),
    "mp4": ("mp4", "aac", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "aac": ("adts", "aac", 32_000),
    "aiff": ("aiff", "pcm_s16be", 8_000),
}
"""Container, codec and rate by the name that files usually end in; `ogg` can be stereo only."""


def tone(seconds: float, rate: int = 16_000, pitch: float = 440) -> Samples:
    """Return a tone of half the full loudness."""
    times = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * pitch * times)).astype(np.float32)


def silence(seconds: float, rate: int = 16_000) -> Samples:
    """Return nothing at all."""
    return np.zeros(round(seconds * rate), np.float32)


def encoded(
    samples: Samples, kind: str, rate: int = 16_000, *, layout: str = "mono", picture: bool = False
) -> bytes:
    """Return `samples` as a file of `kind`, beside a black film where `picture`."""
    container, codec, own_rate = CONTAINERS[kind]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        film = output.add_stream("mpeg4", rate=10, width=32, height=32) if picture else None
        stream = output.add_stream(codec, own_rate, {"strict": "experimental"}, layout=layout)
        if film is not None:
            for _ in range(round(10 * len(samples) / rate)):
                output.mux(film.encode(av.VideoFrame(32, 32, "yuv420p")))
            output.mux(film.encode(None))
        assert isinstance(stream, av.AudioStream)
        whole = np.round(samples * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = AudioResampler(stream.format, stream.layout, own_rate)
        fifo = AudioFifo()
        for part in resampler.resample(frame) + resampler.resample(None):
            part.pts = None
            fifo.write(part)
        while piece := fifo.read(stream.codec_context.frame_size or 4096, partial=True):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return file.getvalue()


def write(folder: Path, samples: Samples, kind: str = "wav", rate: int = 16_000) -> str:
    """Write a recording and return its path, which says nothing of its kind."""
    path = folder / f"recording-{len(list(folder.iterdir()))}"
    path.write_bytes(encoded(samples, kind, rate))
    return str(path)
