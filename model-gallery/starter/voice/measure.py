"""Compares the voice, spoken through Piper, with espeak-ng: python -m voice.measure."""

# Scientific libraries without types; the code says what their values are.
# mypy: disable-error-code="import-untyped,import-not-found"

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig

from .alignment import Aligner
from .analysis import Floats, resample
from .distance import cepstra, distance
from .espeak import Espeak
from .say import say
from .sentences import HELD_OUT_SEED, Writer
from .shape import HOP, LEAD_FRAMES, RATE, TAIL_FRAMES
from .speakers import SPEAKERS

# More sentences than the training takes from its seed.
USED = 4000
SILENT = 0.01
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
TEXT = "This is a test of the voice, and it should be easy to understand."


@dataclass(frozen=True)
class Heard:
    """A held-out sentence as the voice and as espeak-ng say it."""

    speaker: int
    voice: Floats
    original: Floats


def load(path: Path) -> PiperVoice:
    """Load the voice as Piper does, on one thread."""
    voice = PiperVoice.load(path)
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    voice.session = onnxruntime.InferenceSession(str(path), options)
    return voice


def speak(voice: PiperVoice, text: str, speaker: int, scale: float = 1.0) -> Floats:
    """Return the samples of a text as the model gives them."""
    chosen = SynthesisConfig(speaker_id=speaker, length_scale=scale, normalize_audio=False)
    chunks = [chunk.audio_float_array for chunk in voice.synthesize(text, chosen)]
    return np.concatenate(chunks).astype(np.float32)


def hear(voice: PiperVoice, count: int) -> list[Heard]:
    """Speak held-out sentences with all speakers in turn."""
    aligner, heard = Aligner(), []
    with TemporaryDirectory() as folder:
        espeak = Espeak(Path(folder), SPEAKERS)
        for number, text in enumerate(islice(_held_out(), count)):
            speaker = number % len(SPEAKERS)
            spoken = espeak.say(text, SPEAKERS[speaker])
            if len(aligner.sentences(text)) == 1:
                original = resample(spoken.samples, spoken.rate)
                heard.append(Heard(speaker, speak(voice, text, speaker), original))
    return heard


def _held_out() -> Iterator[str]:
    """Yield sentences that are not among those of the training."""
    used = set(islice(Writer(1).sentences(), USED))
    return (text for text in Writer(HELD_OUT_SEED).sentences() if text not in used)


def report_distances(heard: list[Heard]) -> None:
    """Print how far the voice is from espeak-ng, and how far two speakers are."""
    silence = (LEAD_FRAMES + TAIL_FRAMES) * HOP
    for index, speaker in enumerate(SPEAKERS):
        chosen = [item for item in heard if item.speaker == index]
        pairs = [(cepstra(item.voice), cepstra(item.original)) for item in chosen]
        far = np.mean([distance(voice, original) for voice, original in pairs])
        length = [(len(i.voice) - silence) / len(i.original) for i in chosen]
        off = 100 * np.mean(np.abs(np.array(length) - 1.0))
        say(f"{speaker.name}: {len(chosen)} sentences, {far:.2f} dB, length off by {off:.1f} %")
    others = zip(heard[:-4:5], heard[4::5], strict=False)
    unlike = [distance(cepstra(a.original), cepstra(b.original)) for a, b in others]
    say(f"for comparison, unlike sentences of one speaker: {np.mean(unlike):.2f} dB")


def report_signal(heard: list[Heard]) -> None:
    """Print loudness, offset, silence at both ends and the largest step between samples."""
    peaks = [float(np.abs(item.voice).max()) for item in heard]
    offsets = [abs(float(item.voice.mean())) for item in heard]
    ends = [_silence(item.voice) for item in heard]
    say(f"peak {min(peaks):.2f} to {max(peaks):.2f}, offset at most {max(offsets):.5f}")
    before, after = (max(end[side] for end in ends) for side in (0, 1))
    say(f"silence at most {before:.2f} s before and {after:.2f} s after")


def _silence(samples: NDArray[np.float32]) -> tuple[float, float]:
    loud = np.flatnonzero(np.abs(samples) > SILENT * np.abs(samples).max())
    return float(loud[0]) / RATE, float(len(samples) - 1 - loud[-1]) / RATE


def report_speed(voice: PiperVoice) -> None:
    """Print the lengths of one text at some length scales, and the time that speech takes."""
    for scale in SPEEDS:
        began = time.perf_counter()
        seconds = len(speak(voice, TEXT, 0, scale)) / RATE
        spent = time.perf_counter() - began
        say(f"length scale {scale}: {seconds:.2f} s, real-time factor {spent / seconds:.4f}")
    same = np.array_equal(speak(voice, TEXT, 0), speak(voice, TEXT, 0))
    say(f"the same samples twice: {same}")


def measure(path: Path, count: int) -> None:
    """Print all figures of a voice."""
    voice = load(path)
    heard = hear(voice, count)
    report_distances(heard)
    report_signal(heard)
    report_speed(voice)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).with_name("starter-voice.onnx")
    parser.add_argument("--model", type=Path, default=default, help="file to measure")
    parser.add_argument("--count", type=int, default=200, help="held-out sentences")
    chosen = parser.parse_args()
    measure(chosen.model, chosen.count)


if __name__ == "__main__":
    main()
