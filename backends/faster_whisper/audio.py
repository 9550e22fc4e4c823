"""Audio files of any kind as samples, a window at a time.

PyAV decodes: it carries FFmpeg's libraries, and it tells the kind of a file by what is in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from localai.errors import InvalidRequest

Samples = NDArray[np.float32]
RATE = 16_000
"""Samples a second that Whisper hears."""
SHORTEST = 0.1
"""Seconds; OpenAI refuses what is shorter."""
# FFmpeg also reads playlists, which may name other files and addresses: these name none.
_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,rm,tta,"
    "w64,wav,wv"
)
_SAFE = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
_RATES = range(1_000, 4_000_001)
"""Samples a second of real recordings; the file decides what a rate beyond them costs in memory."""
_DECODED_AT_ONCE = 500_000
_SECONDS_AT_ONCE = 30
_PAUSE = RATE // 2
_STEP = RATE // 10


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one channel at `RATE`, from -1 to 1, and where it starts in seconds."""

    samples: Samples
    start: float
    is_last: bool

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / RATE


class Audio:
    """An open audio file."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self.said_duration: float = (container.duration or 0) / av.time_base
        """Seconds, as the file says; 0 where it does not."""

    def windows(self, seconds: int) -> Iterator[Window]:
        """Cut the audio at pauses into windows of at most `seconds`.

        Raises InvalidRequest when there is next to nothing to hear.
        """
        most, start = seconds * RATE, 0
        held: list[Samples] = []
        for block in self._blocks():
            held.append(block)
            while sum(map(len, held)) > most:
                samples = np.concatenate(held)
                cut = _quietest_place(samples[:most])
                yield Window(samples[:cut], start / RATE, is_last=False)
                held, start = [samples[cut:].copy()], start + cut
        rest = np.concatenate([np.zeros(0, np.float32), *held])
        if start + len(rest) < SHORTEST * RATE:
            raise _unreadable(
                f"has less than {SHORTEST} seconds of sound that can be read", "audio_too_short"
            )
        yield Window(rest, start / RATE, is_last=True)

    def _blocks(self) -> Iterator[Samples]:
        # The parameters may change in the middle, as where streams were joined.
        for _, frames in itertools.groupby(self._frames(), key=_parameters):
            try:
                yield from _resampled(_joined(frames))
            except av.error.FFmpegError:
                raise _unreadable("has sound of a kind that cannot be converted") from None

    def _frames(self) -> Iterator[Any]:
        """Decode what can be decoded: of a damaged file, what is left of it."""
        packets = self._container.demux(self._container.streams.audio[0])
        while (packet := _next_packet(packets)) is not None:
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                continue


@contextmanager
def open_audio(path: str) -> Iterator[Audio]:
    """Open a file of any kind that carries sound, as WAV, MP3, Ogg, WebM or MP4.

    Raises InvalidRequest that names `file` for anything else.
    """
    try:
        container = av.open(path, mode="r", metadata_errors="ignore", options=_SAFE)
    except (av.error.FFmpegError, ValueError):
        raise _unreadable("is in no format of audio or video that is known here") from None
    with container:
        if not container.streams.audio:
            raise _unreadable("has no sound")
        yield Audio(container)


def _unreadable(fault: str, code: str | None = None) -> InvalidRequest:
    return InvalidRequest(
        f"The file {fault}: send for example WAV, MP3, FLAC, Ogg, M4A, MP4 or WebM.",
        param="file",
        code=code,
    )


def _next_packet(packets: Iterator[Any]) -> Any:
    try:
        return next(packets, None)
    except av.error.FFmpegError:
        return None  # the file breaks off here


def _parameters(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _joined(frames: Iterator[Any]) -> Iterator[Any]:
    """Make frames, which may be as short as 20 ms or as long as the file, all of a good length."""
    fifo = AudioFifo()
    for frame in frames:
        if frame.sample_rate not in _RATES:
            raise _unreadable(f"has {frame.sample_rate} samples a second, which is no recording")
        frame.pts = None
        fifo.write(frame)
        yield from fifo.read_many(_length(frame))
    if fifo.samples:
        yield fifo.read()


def _length(frame: Any) -> int:
    # Resampled, a second takes the same memory whatever its rate was.
    channels: int = frame.layout.nb_channels
    return min(_DECODED_AT_ONCE // channels, _SECONDS_AT_ONCE * int(frame.sample_rate))


def _resampled(frames: Iterator[Any]) -> Iterator[Samples]:
    first = next(frames, None)
    if first is None:
        return
    resampler = _resampler(first)
    for frame in itertools.chain([first], frames, [None]):
        for part in resampler.resample(frame):
            channels = part.to_ndarray().reshape(-1, part.layout.nb_channels)
            yield channels.mean(axis=1, dtype=np.float32) / np.float32(32768)


def _resampler(frame: Any) -> AudioResampler:
    """Return one that mixes the channels, or keeps those that FFmpeg has no rule for, as nine."""
    layout = "mono" if _can_be_mixed(frame) else frame.layout
    # Packed: PyAV reads more than eight planes from beyond its memory.
    return AudioResampler(format="s16", layout=layout, rate=RATE)


def _can_be_mixed(frame: Any) -> bool:
    try:
        AudioResampler(format="s16", layout="mono", rate=RATE).resample(frame)
    except av.error.FFmpegError:
        return False
    return True


def _quietest_place(samples: Samples) -> int:
    """Return the middle of the quietest half second in the last tenth."""
    first = len(samples) - len(samples) // 10
    starts = range(first, len(samples) - _PAUSE, _STEP)
    quietest = min(starts, key=lambda i: float(np.square(samples[i : i + _PAUSE]).sum()))
    return quietest + _PAUSE // 2
