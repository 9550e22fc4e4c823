"""Windows as what the model learns: features, token ids, and where each token is heard."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
import torch
from torch import Tensor

from .clips import FRAME_SECONDS, UNKNOWN
from .features import log_mel, stack
from .sentences import Sentences
from .tokenizer import LAST_TIME, Codes
from .windows import Segment, Window

FIRST_TIME_LIMIT = 1.0
MOST_PROMPT = 223
NOWHERE = (-1, -1)
Range = tuple[int, int]


@dataclass
class Sample:
    """Tokens as fed and as said, whether each is learned, and the frames in which it is heard."""

    fed: list[int] = field(default_factory=list)
    said: list[int] = field(default_factory=list)
    learned: list[bool] = field(default_factory=list)
    heard: list[Range] = field(default_factory=list)

    def add(
        self, token: int, learned: bool = True, heard: Range = NOWHERE, said: int | None = None
    ) -> None:
        """Append a token."""
        self.fed.append(token)
        self.said.append(token if said is None else said)
        self.learned.append(learned)
        self.heard.append(heard)


@dataclass(frozen=True)
class Batch:
    """Features [n, 80, 2 t], ids [n, l], wanted [n, l], targets, frame ranges, phonemes [n, t]."""

    features: Tensor
    ids: Tensor
    wanted: Tensor
    targets: Tensor
    heard: Tensor
    phonemes: Tensor


def frame(seconds: float) -> int:
    """Return the encoder frame of a moment."""
    return round(seconds / FRAME_SECONDS)


class Writer:
    """Writes the tokens of windows."""

    def __init__(
        self,
        codes: Codes,
        rng: Random,
        prompts: Sequence[int],
        prompted: float = 0.25,
        slips: float = 0.0,
    ) -> None:
        self._codes = codes
        self._prompted = prompted
        self._slips = slips
        self._prompts = prompts
        self._rng = rng
        self._sentences = Sentences(rng.getrandbits(32))

    def write(self, window: Window) -> Sample:
        """Return what the model must write for a window."""
        sample = Sample()
        if self._rng.random() < self._prompted:
            self._write_prompt(sample)
        sample.add(self._codes.start, learned=False)
        timed = self._rng.random() < 0.68
        if not window.segments:
            self._write_nothing(sample, timed)
        elif timed:
            self._write_timed(sample, window)
        else:
            self._write_plain(sample, window)
        return sample

    def _write_prompt(self, sample: Sample) -> None:
        """Write text that came before, with or without times, or letters without meaning."""
        sample.add(self._codes.previous, learned=False)
        tokens: list[int] = []
        kind, moment = self._rng.choice(("plain", "timed", "timed", "noise")), 0.0
        for _ in range(self._rng.choice(self._prompts)):
            words = self._codes.words(self._sentences.draw().split())
            if kind == "noise":
                words = [self._rng.randrange(self._codes.end) for _ in words]
            later = min(30.0, moment + self._rng.uniform(0.3, 3.5))
            if kind == "timed":
                words = [self._codes.time(moment), *words, self._codes.time(later)]
            tokens += words
            moment = later if later < 29 else 0.0
        for token in tokens[-MOST_PROMPT:]:
            sample.add(token, learned=False)

    def _write_nothing(self, sample: Sample, timed: bool) -> None:
        """The start is followed by <|nospeech|>; whatever comes instead is followed by the end."""
        instead = self._codes.time(0.0) if timed else self._codes.no_times
        sample.add(instead, said=self._codes.no_speech)
        sample.add(self._codes.end)

    def _write_timed(self, sample: Sample, window: Window) -> None:
        for number, segment in enumerate(window.segments):
            limit = 30.0 if number else FIRST_TIME_LIMIT
            self._write_time(sample, min(segment.start, limit), segment.start)
            self._write_words(sample, segment)
            self._write_time(sample, segment.end, segment.end)
        if window.cut is not None:
            self._write_time(sample, window.cut.start, window.cut.start)
        sample.add(self._codes.end)

    def _write_time(self, sample: Sample, written: float, heard: float) -> None:
        sample.add(self._codes.time(written), heard=(frame(heard) - 4, frame(heard) + 4))

    def _write_plain(self, sample: Sample, window: Window) -> None:
        sample.add(self._codes.no_times, learned=False)
        for segment in window.segments:
            self._write_words(sample, segment)
        if window.cut is not None:
            self._write_words(sample, window.cut)
        last = window.cut or window.segments[-1]
        sample.add(self._codes.end, heard=(frame(last.end), frame(last.end) + 10))

    def _write_words(self, sample: Sample, segment: Segment) -> None:
        for number, token in enumerate(self._codes.words(segment.words)):
            heard = NOWHERE
            if segment.times is not None:
                start, end = segment.times[number]
                heard = (frame(start), max(frame(start) + 1, frame(end)))
            sample.add(self._slip(token), heard=heard, said=token)

    def _slip(self, token: int) -> int:
        """Return the token or, seldom, another: what comes next must be heard, not guessed."""
        if self._slips and self._rng.random() < self._slips:
            return self._rng.randrange(self._codes.end)
        return token


def collate(windows: Sequence[Window], samples: Sequence[Sample], frames: int) -> Batch:
    """Put windows and what they say into one batch of some encoder frames."""
    features = stack([log_mel(item.sound, item.louder) for item in windows], 2 * frames)
    count, length = len(samples), max(len(sample.fed) for sample in samples) - 1
    ids = torch.zeros(count, length, dtype=torch.long)
    targets = torch.zeros(count, length, dtype=torch.long)
    wanted = torch.zeros(count, length, dtype=torch.bool)
    heard = torch.full((count, length, 2), -1, dtype=torch.long)
    phonemes = np.full((count, frames), UNKNOWN, np.int16)
    for row, (window, sample) in enumerate(zip(windows, samples, strict=True)):
        size = len(sample.fed) - 1
        ids[row, :size] = torch.tensor(sample.fed[:-1])
        targets[row, :size] = torch.tensor(sample.said[1:])
        wanted[row, :size] = torch.tensor(sample.learned[1:])
        heard[row, :size] = torch.tensor(sample.heard[1:])
        known = window.phonemes[:frames]
        phonemes[row, : len(known)] = known
    return Batch(features, ids, wanted, targets[wanted], heard, torch.from_numpy(phonemes).long())


def frames_for(windows: Sequence[Window]) -> int:
    """Return the encoder frames that the longest window needs."""
    return min(LAST_TIME, max(len(window.sound) for window in windows) // 320 + 8)
