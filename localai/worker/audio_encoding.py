"""Spoken sound as files: resampled to one rate and encoded while it comes, by FFmpeg through PyAV.

Audio is one channel at 24 kHz unless asked otherwise, as OpenAI's is. MP3, AAC (ADTS), Opus (Ogg)
and PCM make sense from their first byte on. The headers of WAV and FLAC name a length that is only
known at the end: `encode_all` writes the true one, a stream's says "unknown".
"""

from __future__ import annotations

import io
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import av

from localai.errors import InvalidRequest
from localai.worker.results import Sound

SAMPLE_RATE = 24_000
"""Samples a second where the caller names no rate."""
_UNKNOWN_LENGTH = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a `response_format` is; `codec` and `container` are FFmpeg's names."""

    content_type: str
    codec: str = ""
    """Empty where there is nothing but samples."""
    container: str = ""
    bit_rate: int | None = None
    options: dict[str, str] = field(default_factory=dict)


FORMATS = {
    "mp3": AudioFormat("audio/mpeg", "libmp3lame", "mp3", 96_000),
    # FFmpeg would fill a whole second before an Ogg page leaves.
    "opus": AudioFormat("audio/ogg", "libopus", "ogg", 48_000, {"page_duration": "100000"}),
    "aac": AudioFormat("audio/aac", "aac", "adts", 64_000),
    "flac": AudioFormat("audio/flac", "flac", "flac"),
    "wav": AudioFormat("audio/wav"),
    "pcm": AudioFormat("audio/pcm"),
}


class Encoder(ABC):
    """Turns the sounds of one answer into bytes, in order."""

    @abstractmethod
    def feed(self, sound: Sound) -> bytes:
        """Return the bytes that are ready after `sound`, possibly none."""

    @abstractmethod
    def finish(self) -> bytes:
        """Return what is left."""


def create_encoder(name: str, rate: int) -> Encoder:
    """Return an encoder for a stream of the format `name` at `rate` samples a second."""
    audio_format = FORMATS[name]
    if audio_format.codec:
        return _Compressed(audio_format, rate, _Outlet())
    return _Waves(rate) if name == "wav" else _Samples(rate)


def encode_all(sounds: Sequence[Sound], name: str, rate: int) -> bytes:
    """Return a complete file of the format `name`, whose header is right about its length."""
    audio_format = FORMATS[name]
    file = _File()
    encoder = _Compressed(audio_format, rate, file) if audio_format.codec else _Samples(rate)
    body = b"".join([*map(encoder.feed, sounds), encoder.finish()])
    if audio_format.codec:
        return file.getvalue()
    return wave_header(rate, len(body)) + body if name == "wav" else body


def check_rate(name: str, rate: int) -> None:
    """Raise InvalidRequest where the format `name` cannot have `rate` samples a second."""
    codec = FORMATS[name].codec
    rates = av.Codec(codec, "w").audio_rates if codec else None
    if rates and rate not in rates:
        known = ", ".join(str(one) for one in sorted(rates) if 8000 <= one <= 48_000)
        raise InvalidRequest(
            f"The format '{name}' has no sample rate of {rate} Hz; it can have {known}.",
            param="sample_rate",
        )


def wave_header(rate: int, size: int | None) -> bytes:
    """Return the head of a WAV file with `size` bytes of 16-bit mono samples, None = unknown.

    Source: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0", RIFF WAVE.
    """
    whole = _UNKNOWN_LENGTH if size is None else size + 36
    data = _UNKNOWN_LENGTH if size is None else size
    sample_format = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    head = struct.pack("<4sI4s4sI", b"RIFF", whole, b"WAVE", b"fmt ", len(sample_format))
    return head + sample_format + struct.pack("<4sI", b"data", data)


class _Samples(Encoder):
    """Signed 16-bit little-endian samples and nothing else."""

    def __init__(self, rate: int) -> None:
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)

    def feed(self, sound: Sound) -> bytes:
        return self._resampled(_frame(sound)) if sound.samples else b""

    def finish(self) -> bytes:
        return self._resampled(None)

    def _resampled(self, frame: av.AudioFrame | None) -> bytes:
        frames = self._resampler.resample(frame)
        return b"".join(bytes(one.planes[0])[: 2 * one.samples] for one in frames)


class _Waves(_Samples):
    """A WAV file of unknown length."""

    def __init__(self, rate: int) -> None:
        super().__init__(rate)
        self._header = wave_header(rate, None)

    def feed(self, sound: Sound) -> bytes:
        header, self._header = self._header, b""
        return header + super().feed(sound)


class _Outlet:
    """Where FFmpeg writes a stream: it cannot go back, and what is there can be taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


class _File(io.BytesIO):
    """Where FFmpeg writes a file: it goes back to complete its header, so nothing leaves before."""

    def take(self) -> bytes:
        return b""


class _Compressed(Encoder):
    """A codec in its container."""

    def __init__(self, audio_format: AudioFormat, rate: int, output: _Outlet | _File) -> None:
        options = {"flush_packets": "1", **audio_format.options}
        self._output = output
        self._container = av.open(
            output, "w", format=audio_format.container, container_options=options
        )
        stream = self._container.add_stream(audio_format.codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        self._stream = stream
        if audio_format.bit_rate:
            self._stream.bit_rate = audio_format.bit_rate

    def feed(self, sound: Sound) -> bytes:
        if sound.samples:
            # The encoder resamples by itself what has another rate than its own.
            self._container.mux(self._stream.encode(_frame(sound)))
        return self._output.take()

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._output.take()


def _frame(sound: Sound) -> av.AudioFrame:
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(sound.samples) // 2)
    frame.sample_rate = sound.rate
    frame.planes[0].update(sound.samples)
    return frame
