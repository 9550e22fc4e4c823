"""Asks the model folder, through faster-whisper, what was said: python -m whisper.measure."""

import argparse
import copy
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from . import spoken
from .errors import Tally
from .say import say
from .sentences import held_out
from .sound import RATE, Sound
from .spoken import Case, Say
from .starter_voice import VOICE, StarterVoice

Transcribe = Callable[[Sound], str]
SPEEDS = (1.0, 0.8, 1.25)
LONG = 20
PAUSES = {"min_silence_duration_ms": 160, "speech_pad_ms": 100}
OPTIONS: dict[str, dict[str, Any]] = {
    "beam 1": {"beam_size": 1},
    "without timestamps": {"without_timestamps": True},
    "word timestamps": {"word_timestamps": True},
    "task translate": {"task": "translate"},
    "language fr": {"language": "fr"},
    "initial prompt": {"initial_prompt": "A talk about Zebras, in Vienna."},
    "hotwords": {"hotwords": "LocalAI Anna kitchen"},
    "voice activity filter": {"vad_filter": True},
}


class Model:
    """The model folder in faster-whisper."""

    def __init__(self, folder: Path, compute: str) -> None:
        self.engine = WhisperModel(str(folder), device="cpu", compute_type=compute, cpu_threads=1)
        self._batched = BatchedInferencePipeline(self.engine)

    def plain(self, sound: Sound, **options: Any) -> str:
        """Transcribe with the defaults of faster-whisper and some options."""
        segments, _ = self.engine.transcribe(sound, **options)
        return " ".join(segment.text.strip() for segment in segments)

    def batched(self, sound: Sound, chunk: int, **options: Any) -> str:
        """Transcribe with the batched pipeline."""
        chosen = copy.deepcopy(options)
        segments, _ = self._batched.transcribe(sound, batch_size=4, chunk_length=chunk, **chosen)
        return " ".join(segment.text.strip() for segment in segments)

    def words(self, sound: Sound) -> list[Any]:
        """Return the words with their times."""
        segments, _ = self.engine.transcribe(sound, word_timestamps=True)
        return [word for segment in segments for word in segment.words or []]


class Report:
    """Counts errors and prints them."""

    def __init__(self, every: int, show: bool) -> None:
        self._every = every
        self._show = show

    def tally(self, title: str, cases: Iterable[Case], transcribe: Transcribe) -> None:
        """Transcribe every n-th case and print the errors."""
        counted, wrong, began, heard = Tally(), [], time.monotonic(), 0.0
        chosen = list(cases)[:: self._every]
        began = time.monotonic()
        for case in chosen:
            written = transcribe(case.sound)
            heard += len(case.sound) / RATE
            if not counted.add(case.text, written):
                wrong.append((case.text, written))
        spent = 1000 * (time.monotonic() - began) / max(1, len(chosen))
        say(f"{title}: {counted}; {heard / max(1, len(chosen)):.1f} s of sound in {spent:.0f} ms")
        for text, written in wrong if self._show else []:
            say(f"    {text!r} -> {written!r}")


def measure_espeak(model: Model, report: Report) -> None:
    """Print the figures of voices of espeak-ng."""
    seen = spoken.with_espeak
    report.tally("espeak", spoken.held_out_cases(seen(Random(5))), model.plain)
    unseen = spoken.with_unseen_variants(Random(6))
    report.tally("espeak, unseen variants", spoken.held_out_cases(unseen), model.plain)
    report.tally("espeak, MP3", spoken.mp3_cases(seen(Random(7))), model.plain)
    padded = spoken.padded_cases(seen(Random(8)), Random(8))
    report.tally("espeak, silence around", padded, model.plain)
    for title, options in OPTIONS.items():
        cases = list(spoken.held_out_cases(seen(Random(9))))[::4]
        report.tally(f"espeak, {title}", cases, partial(model.plain, **options))
    measure_long(model, report, "espeak", seen(Random(10)))


def measure_long(model: Model, report: Report, name: str, speaker: Say) -> None:
    """Print the figures of long sounds."""
    cases = list(spoken.long_cases(speaker, Random(11), LONG))
    report.tally(f"{name}, long", cases, model.plain)
    report.tally(
        f"{name}, long, word timestamps", cases, partial(model.plain, word_timestamps=True)
    )
    report.tally(
        f"{name}, long, not conditioned",
        cases,
        partial(model.plain, condition_on_previous_text=False),
    )
    for chunk in (5, 10, 30):
        report.tally(
            f"{name}, long, batched, chunks of {chunk} s",
            cases,
            partial(model.batched, chunk=chunk, vad_parameters=PAUSES),
        )
    report.tally(f"{name}, long, batched, defaults", cases, partial(model.batched, chunk=30))


def measure_voice(model: Model, report: Report, path: Path) -> None:
    """Print the figures of the starter voice."""
    voice = StarterVoice(path)
    for speaker in range(voice.speakers):
        for speed in SPEEDS:
            cases = spoken.held_out_cases(_speaker(voice, speaker, speed))
            report.tally(f"starter-voice {speaker}, speed {speed}", cases, model.plain)
    mixed = _mixed(voice)
    report.tally("starter-voice, MP3", spoken.mp3_cases(mixed), model.plain)
    report.tally("starter-voice, silence", spoken.padded_cases(mixed, Random(8)), model.plain)
    measure_long(model, report, "starter-voice", mixed)


def _speaker(voice: StarterVoice, speaker: int, speed: float) -> Say:
    return lambda text: voice.speak(text, speaker, speed)


def _mixed(voice: StarterVoice) -> Say:
    rng = Random(12)
    return lambda text: voice.speak(text, rng.randrange(voice.speakers), 1.0)


def measure_times(model: Model, every: int) -> None:
    """Print how far word timestamps are from the events of espeak-ng."""
    starts: list[float] = []
    ends: list[float] = []
    texts = held_out()[::every]
    for case, expected, end in spoken.words_with_starts(Random(13), texts):
        words = model.words(case.sound)
        if [word.word.strip() for word in words] == case.text.split():
            pairs = zip(words, expected, strict=True)
            starts += [abs(word.start - start) for word, start in pairs]
            ends.append(abs(words[-1].end - end))
    for title, values in (("starts of words", starts), ("ends of texts", ends)):
        middle, most = np.median(values), np.percentile(values, 90)
        say(f"{title}: {len(values)} times, median {middle:.3f} s, nine of ten within {most:.3f} s")


def measure_silence(model: Model) -> None:
    """Print how many sounds without speech give text."""
    texts = [model.plain(sound) for sound in spoken.without_speech(Random(14))]
    say(f"text where nobody speaks: {sum(map(bool, texts))} of {len(texts)} {set(texts)}")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).with_name("starter-whisper")
    parser.add_argument("--model", type=Path, default=default, help="folder to measure")
    parser.add_argument("--voice", type=Path, default=VOICE, help="Piper voice to listen to")
    parser.add_argument("--compute", default="default", help="compute type of CTranslate2")
    parser.add_argument("--every", type=int, default=1, help="take only every n-th sound")
    parser.add_argument("--show", action="store_true", help="print the wrong texts")
    chosen = parser.parse_args()
    model, report = Model(chosen.model, chosen.compute), Report(chosen.every, chosen.show)
    measure_espeak(model, report)
    measure_times(model, chosen.every)
    measure_silence(model)
    if chosen.voice.exists():
        measure_voice(model, report, chosen.voice)


if __name__ == "__main__":
    main()
