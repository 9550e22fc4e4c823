"""Sound as float arrays at 16 kHz: other rates, noise, narrow bands, echo and lossy codecs."""

import io
from functools import cache
from random import Random
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]
RATE = 16000
FRAME = 160
QUIET = 0.01
# Container, codec and bit rates that the training sound is passed through.
CODECS = (
    ("mp3", "libmp3lame", (24000, 32000, 48000, 64000, 128000)),
    ("ogg", "libopus", (12000, 16000, 24000, 48000)),
    ("adts", "aac", (24000, 48000, 64000)),
)


def resample(sound: Sound, rate: int, wanted: int = RATE) -> Sound:
    """Change the rate of a sound through its spectrum."""
    if rate == wanted:
        return sound
    tenths = -(-len(sound) * 10 // rate)
    before, length = tenths * rate // 10, tenths * wanted // 10
    spectrum = np.fft.rfft(sound, before)[: length // 2 + 1]
    changed = np.fft.irfft(spectrum, length)[: round(len(sound) * wanted / rate)]
    return (changed * (wanted / rate)).astype(np.float32)


def extent(sound: Sound) -> tuple[float, float]:
    """Return the seconds at which the audible part of a sound begins and ends."""
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)
    loud = np.abs(frames).max(axis=1)
    heard = np.nonzero(loud > QUIET * loud.max())[0]
    return float(heard[0]) * FRAME / RATE, float(heard[-1] + 1) * FRAME / RATE


@cache
def _long_noise(slope: float) -> Sound:
    length = 1 << 21
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(length))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20.0 * length / RATE) ** slope
    wave = np.fft.irfft(spectrum, length)
    scaled: Sound = (wave / wave.std()).astype(np.float32)
    return scaled


def noise(length: int, rng: Random, slope: float) -> Sound:
    """Return noise of power 1 whose amplitude falls with the frequency to the power of slope."""
    first = rng.randrange((1 << 21) - length)
    return _long_noise(slope)[first : first + length]


def band(sound: Sound, lowest: float, highest: float) -> Sound:
    """Keep only a band of frequencies in Hz."""
    length = 1 << len(sound).bit_length()
    spectrum = np.fft.rfft(sound, length)
    frequencies = np.fft.rfftfreq(length, 1 / RATE)
    gain = 1 / (1 + (frequencies / highest) ** 16) / (1 + (lowest / (frequencies + 1)) ** 8)
    return np.fft.irfft(spectrum * gain, length)[: len(sound)].astype(np.float32)


def echo(sound: Sound, rng: np.random.Generator, seconds: float, share: float) -> Sound:
    """Add the decaying echo of a room."""
    times = np.arange(int(seconds * RATE)) / RATE
    room = rng.standard_normal(len(times)) * np.exp(-6.9 * times / seconds)
    room *= share / np.sqrt((room**2).sum())
    room[0] = 1.0
    length = 1 << (len(sound) + len(room)).bit_length()
    spectrum = np.fft.rfft(sound, length) * np.fft.rfft(room, length)
    return np.fft.irfft(spectrum, length)[: len(sound)].astype(np.float32)


def compress(sound: Sound, container: str, codec: str, bit_rate: int) -> Sound:
    """Encode and decode a sound; what the codec delays is taken back."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=RATE, layout="mono")
        stream.bit_rate = bit_rate
        samples = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE
        for part in (frame, None):
            output.mux(stream.encode(part))
    return _in_place(decode(file), sound)


def decode(file: io.BytesIO) -> Sound:
    """Decode an audio file to mono at 16 kHz."""
    file.seek(0)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    blocks = []
    with av.open(file, "r") as source:
        for frame in source.decode(audio=0):
            frame.pts = None
            blocks += [block.to_ndarray() for block in resampler.resample(frame)]
    blocks += [block.to_ndarray() for block in resampler.resample(None)]
    joined: Sound = np.concatenate(blocks, axis=1)[0].astype(np.float32) / 32768
    return joined


def _in_place(decoded: Sound, sound: Sound) -> Sound:
    length = 1 << (len(sound) + len(decoded)).bit_length()
    product = np.fft.rfft(decoded, length) * np.conj(np.fft.rfft(sound, length))
    delay = int(np.argmax(np.fft.irfft(product, length)[:3000]))
    moved = decoded[delay : delay + len(sound)]
    return np.pad(moved, (0, len(sound) - len(moved)))


def worsen(sound: Sound, rng: Random) -> Sound:
    """Return a sound as a cheap microphone, a room, noise and a codec may leave it."""
    random = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.15:
        sound = echo(sound, random, rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.5))
    if rng.random() < 0.25:
        sound = band(sound, rng.choice((1.0, 80.0, 250.0)), rng.uniform(3200, 7800))
    if rng.random() < 0.55:
        power = float(np.sqrt((sound**2).mean())) * 10 ** (-rng.uniform(12, 50) / 20)
        sound = sound + power * noise(len(sound), rng, rng.choice((0.0, 0.5, 1.0)))
    if rng.random() < 0.2:
        container, codec, bit_rates = rng.choice(CODECS)
        sound = compress(sound, container, codec, rng.choice(bit_rates))
    return sound * (10 ** (-rng.uniform(0, 12) / 20) / (float(np.abs(sound).max()) + 1e-6))
