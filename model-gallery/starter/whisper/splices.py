"""Clips from parts of clips: words in an order that no sentence has."""

from collections.abc import Sequence
from random import Random

import numpy as np

from .clips import FRAME_SECONDS, PAUSE, Clip
from .sound import RATE

FADE = 64
MOST_WORDS = 4


def splice(clips: Sequence[Clip], rng: Random) -> Clip:
    """Return a clip of some words from each of two or three clips."""
    joined: Clip | None = None
    for _ in range(rng.choice((2, 2, 3))):
        clip = rng.choice(clips)
        if clip.times is None:
            continue
        count = rng.randint(1, min(MOST_WORDS, len(clip.words)))
        first = rng.randint(0, len(clip.words) - count)
        taken = part(clip, first, first + count)
        joined = taken if joined is None else join(joined, taken)
    return joined or rng.choice(clips)


def part(clip: Clip, first: int, last: int) -> Clip:
    """Return some words of a clip whose word times are known."""
    if clip.times is None:
        raise ValueError("nobody knows where the words of this clip are")
    length = len(clip.sound) / RATE
    start = float(clip.times[first, 0]) if first else 0.0
    end = float(clip.times[last - 1, 1]) if last < len(clip.words) else length
    sound = clip.sound[int(start * RATE) : int(end * RATE)].astype(np.float32)
    ramp = np.linspace(0, 1, min(FADE, len(sound)), dtype=np.float32)
    if first:
        sound[: len(ramp)] *= ramp
    if last < len(clip.words):
        sound[len(sound) - len(ramp) :] *= ramp[::-1]
    return Clip(
        sound.astype(np.int16),
        clip.words[first:last],
        clip.times[first:last] - np.float32(start),
        max(0.0, clip.begin - start),
        min(clip.end, end) - start,
        clip.phonemes[round(start / FRAME_SECONDS) : round(end / FRAME_SECONDS)],
    )


def join(before: Clip, after: Clip) -> Clip:
    """Return two clips whose word times are known as one."""
    if before.times is None or after.times is None:
        raise ValueError("nobody knows where the words of these clips are")
    moment = len(before.sound) / RATE
    frames = round(moment / FRAME_SECONDS)
    phonemes = np.full(frames, PAUSE, np.int16)
    phonemes[: len(before.phonemes)] = before.phonemes[:frames]
    return Clip(
        np.concatenate([before.sound, after.sound]),
        (*before.words, *after.words),
        np.concatenate([before.times, after.times + np.float32(moment)]),
        before.begin,
        moment + after.end,
        np.concatenate([phonemes, after.phonemes]),
    )
