"""Windows of up to 30 seconds: clips one after the other, gaps, noise, and what is heard when."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
from numpy.typing import NDArray

from .clips import FRAME_SECONDS, UNKNOWN, Clip
from .sound import RATE, Sound, noise
from .splices import splice

SHORTEST_CUT = 0.06


@dataclass(frozen=True)
class Segment:
    """Words between two moments in seconds; word times are missing where nobody knows them."""

    words: tuple[str, ...]
    times: NDArray[np.float32] | None
    start: float
    end: float


@dataclass
class Window:
    """Sound, frame phonemes, complete segments, and the one that the end cuts."""

    sound: Sound
    phonemes: NDArray[np.int16]
    segments: list[Segment] = field(default_factory=list)
    cut: Segment | None = None
    louder: float = 0.0


@dataclass(frozen=True)
class Plan:
    """How windows are made: greatest length, greatest count of clips, and shares.

    The shares are of windows that are full to the end, without speech, and with one clip, and of
    clips that are spliced.
    """

    seconds: float
    clips: int
    fill: float
    silent: float
    single: float = 0.0
    spliced: float = 0.0


class Composer:
    """Makes windows at random from clips."""

    def __init__(self, clips: Sequence[Clip], rng: Random) -> None:
        self._clips = clips
        self._rng = rng

    def window(self, plan: Plan) -> Window:
        """Return a window with one or more clips, or one without speech."""
        if self._rng.random() < plan.silent:
            return self._empty(plan)
        placed, length = self._place(plan)
        window = self._blank(min(length, plan.seconds))
        if self._rng.random() < 0.12:
            self._add_tail(window)
        for clip, moment in placed:
            self._add(window, clip, moment)
        self._add_background(window)
        if self._rng.random() < 0.3:
            window.louder = self._rng.uniform(0.0, 0.6)
        return window

    def _place(self, plan: Plan) -> tuple[list[tuple[Clip, float]], float]:
        """Choose clips and their moments; a window to be filled ends within the last clip."""
        fill = self._rng.random() < plan.fill
        most = 1 if self._rng.random() < plan.single else plan.clips
        wanted = 1000 if fill else self._rng.randint(1, most)
        placed: list[tuple[Clip, float]] = []
        moment, end = self._lead(plan), 0.0
        while len(placed) < wanted and moment < plan.seconds:
            clip = self._choose(plan)
            late = moment + len(clip.sound) / RATE > plan.seconds
            if late and placed and not fill:
                break
            placed.append((clip, moment))
            end = moment + clip.end
            moment = end + self._gap(plan)
        if fill:
            return placed, plan.seconds
        return placed, max(end, 0.2) + self._rng.choice((0.0, 0.05, 0.3, 1.0)) * self._rng.random()

    def _choose(self, plan: Plan) -> Clip:
        if plan.spliced and self._rng.random() < plan.spliced:
            return splice(self._clips, self._rng)
        return self._rng.choice(self._clips)

    def _lead(self, plan: Plan) -> float:
        chance = self._rng.random()
        if chance < 0.25:
            return 0.0
        if chance < 0.92 or plan.seconds < 8:
            return self._rng.uniform(0.0, 0.7)
        return self._rng.uniform(0.7, 0.3 * plan.seconds)

    def _gap(self, plan: Plan) -> float:
        chance = self._rng.random()
        if chance < 0.2:
            return self._rng.uniform(0.0, 0.1)
        if chance < 0.65:
            return self._rng.uniform(0.1, 0.6)
        if chance < 0.95 or plan.seconds < 20:
            return self._rng.uniform(0.5, 1.4)
        return self._rng.uniform(1.4, 6.0)

    def _blank(self, seconds: float) -> Window:
        frames = round(seconds / FRAME_SECONDS)
        return Window(np.zeros(int(seconds * RATE), np.float32), np.zeros(frames, np.int16))

    def _add(self, window: Window, clip: Clip, moment: float) -> None:
        gain = 10 ** (-self._rng.uniform(0, 8) / 20) / 32768
        mix(window.sound, clip.sound, moment, gain)
        first = round(moment / FRAME_SECONDS)
        rest = window.phonemes[first : first + len(clip.phonemes)]
        rest[:] = clip.phonemes[: len(rest)]
        start, end = moment + clip.begin, moment + clip.end
        if end <= len(window.sound) / RATE + 0.02:
            times = None if clip.times is None else clip.times + moment
            window.segments.append(Segment(clip.words, times, start, end))
        elif len(window.sound) / RATE - start > SHORTEST_CUT:
            window.cut = cut(clip, moment, len(window.sound) / RATE)

    def _add_tail(self, window: Window) -> None:
        """Begin with the last sound of a clip, as after a cut that came too early."""
        clip = self._rng.choice(self._clips)
        length = self._rng.uniform(0.02, 0.12)
        mix(window.sound, clip.sound[int((clip.end - length) * RATE) :], 0.0, 0.5 / 32768)
        window.phonemes[: round(length / FRAME_SECONDS)] = UNKNOWN

    def _add_background(self, window: Window) -> None:
        if self._rng.random() < 0.4:
            return
        level = 10 ** (-self._rng.uniform(38, 75) / 20)
        slope = self._rng.choice((0.0, 0.5, 1.0))
        window.sound += level * noise(len(window.sound), self._rng, slope)

    def _empty(self, plan: Plan) -> Window:
        window = self._blank(self._rng.uniform(0.2, plan.seconds))
        chance = self._rng.random()
        if chance > 0.2:
            level = 10 ** (-self._rng.uniform(6, 80) / 20)
            slope = self._rng.choice((0.0, 0.5, 1.0))
            window.sound += level * noise(len(window.sound), self._rng, slope)
        if chance > 0.7:
            self._add_tones(window.sound)
        if chance > 0.93:
            self._add_tail(window)
        return window

    def _add_tones(self, sound: Sound) -> None:
        times = np.arange(len(sound)) / RATE
        for _ in range(self._rng.randint(1, 4)):
            hertz = 50.0 * 2 ** self._rng.uniform(0, 6)
            beat = 0.5 + 0.5 * np.sin(2 * np.pi * self._rng.uniform(0.1, 3) * times)
            sound += (
                self._rng.uniform(0.01, 0.2) * beat * np.sin(2 * np.pi * hertz * times)
            ).astype(np.float32)


def cut(clip: Clip, moment: float, end: float) -> Segment:
    """Return the words of a clip that are over before the end of a window."""
    whole = 0 if clip.times is None else int((clip.times[:, 1] + moment <= end).sum())
    times = None if clip.times is None else clip.times[:whole] + moment
    return Segment(clip.words[:whole], times, moment + clip.begin, end)


def mix(sound: Sound, added: NDArray[np.int16], moment: float, gain: float) -> None:
    """Add a clip to a longer sound; what does not fit is lost."""
    first = int(moment * RATE)
    rest = sound[first : first + len(added)]
    rest += gain * added[: len(rest)]
