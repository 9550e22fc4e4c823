"""Lets the starter Whisper write down what the voice says: python -m voice.recognise."""

# Scientific libraries without types; the code says what their values are.
# mypy: disable-error-code="import-untyped,import-not-found"

import argparse
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from faster_whisper import WhisperModel

from .analysis import Floats, resample
from .espeak import Espeak
from .measure import load, speak
from .say import say
from .speakers import SPEAKERS


def words(text: str) -> list[str]:
    """Return the plain words of a text."""
    return re.sub(r"[^a-z0-9' ]", " ", text.lower()).split()


def errors(expected: list[str], found: list[str]) -> int:
    """Return how many words are wrong, missing or too many."""
    row = list(range(len(found) + 1))
    for number, word in enumerate(expected, start=1):
        before, row = row, [number]
        for place, other in enumerate(found):
            change = before[place] + (word != other)
            row.append(min(change, before[place + 1] + 1, row[place] + 1))
    return row[-1]


def _write_down(whisper: Any, samples: Floats) -> list[str]:
    segments, _ = whisper.transcribe(samples, language="en", beam_size=5)
    return words(" ".join(segment.text for segment in segments))


def recognise(model: Path, whisper_folder: Path, texts: list[str], show: bool) -> None:
    """Print the word error rate of each speaker, and of espeak-ng in its place."""
    whisper = WhisperModel(str(whisper_folder), device="cpu", compute_type="float32", cpu_threads=1)
    voice = load(model)
    with TemporaryDirectory() as folder:
        espeak = Espeak(Path(folder), SPEAKERS)
        for index, speaker in enumerate(SPEAKERS):
            pairs = [(text, _write_down(whisper, speak(voice, text, index))) for text in texts]
            _report(speaker.name, pairs, show)
            spoken = [(text, espeak.say(text, speaker)) for text in texts]
            heard = [(text, resample(item.samples, item.rate)) for text, item in spoken]
            pairs = [(text, _write_down(whisper, samples)) for text, samples in heard]
            _report(f"{speaker.name} by espeak-ng", pairs, False)


def _report(name: str, pairs: list[tuple[str, list[str]]], show: bool) -> None:
    missed = [errors(words(text), found) for text, found in pairs]
    total = sum(len(words(text)) for text, _ in pairs)
    exact, rate = missed.count(0), 100 * sum(missed) / total
    say(f"{name}: {exact} of {len(pairs)} exact, word error rate {rate:.1f} %")
    for (text, found), wrong in zip(pairs, missed, strict=True):
        if show and wrong:
            say(f"    {text!r} -> {' '.join(found)!r}")


def main() -> None:
    """Read the command line and recognise."""
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).parent
    parser.add_argument("--model", type=Path, default=here / "starter-voice.onnx")
    parser.add_argument("--whisper", type=Path, default=here.parent / "whisper" / "starter-whisper")
    sentences = here.parent / "whisper" / "held_out.yaml"
    parser.add_argument("--sentences", type=Path, default=sentences, help="a YAML list of texts")
    parser.add_argument("--every", type=int, default=1, help="use only every n-th text")
    parser.add_argument("--show", action="store_true", help="print what was misheard")
    chosen = parser.parse_args()
    texts = [str(text) for text in yaml.safe_load(chosen.sentences.read_text(encoding="utf-8"))]
    recognise(chosen.model, chosen.whisper, texts[:: chosen.every], chosen.show)


if __name__ == "__main__":
    main()
