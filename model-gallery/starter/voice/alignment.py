"""Frames of the ids that Piper feeds, taken from the phoneme events of espeak-ng."""

# Scientific libraries without types; the code says what their values are.
# mypy: disable-error-code="import-untyped,import-not-found"

import unicodedata
from dataclasses import dataclass

from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP, phonemes_to_ids
from piper.phonemize_espeak import EspeakPhonemizer

from .espeak import Spoken
from .shape import FRAME_SECONDS, LEAD_FRAMES, TAIL_FRAMES

SEPARATORS = " .,!?;:"
STRESS = "ˈˌ"
# The library gives this short sound between two vowels an event without a name.
GLIDE = "ʲ"


@dataclass(frozen=True)
class Aligned:
    """Ids without the pads between them, and the frames of each."""

    ids: list[int]
    frames: list[int]


class Aligner:
    """Phonemizes with Piper and finds the same phonemes in what espeak-ng spoke."""

    def __init__(self) -> None:
        self._phonemizer = EspeakPhonemizer()

    def sentences(self, text: str) -> list[list[str]]:
        """Return the phonemes of each sentence of a text, as Piper makes them."""
        found: list[list[str]] = self._phonemizer.phonemize("en-us", text)
        return found

    def align(self, text: str, spoken: Spoken) -> Aligned | None:
        """Return ids and frames of one sentence, or nothing where the phonemes differ."""
        sentences = self.sentences(text)
        if len(sentences) != 1 or any(p not in DEFAULT_PHONEME_ID_MAP for p in sentences[0]):
            return None
        ends = _ends(sentences[0], spoken)
        if ends is None:
            return None
        frames = [LEAD_FRAMES, *_differences(ends), TAIL_FRAMES]
        return Aligned(phonemes_to_ids(sentences[0])[::2], frames)


def _differences(ends: list[int]) -> list[int]:
    return [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _ends(symbols: list[str], spoken: Spoken) -> list[int] | None:
    """Return the frame at which each symbol ends."""
    ends = [-1] * len(symbols)
    place, pause = 0, 0
    starts = [start for start, _ in spoken.phonemes] + [len(spoken.samples)]
    for number, (start, name) in enumerate(spoken.phonemes):
        stop = starts[number + 1]
        if not name and symbols[place : place + 1] == [GLIDE]:
            name = GLIDE
        if not name:
            pause = stop
            continue
        first = place
        while place < len(symbols) and symbols[place] in SEPARATORS:
            place += 1
        _give_pause(ends, first, place, _frame(pause or start, spoken))
        pause = 0
        parts = list(unicodedata.normalize("NFD", name))
        if symbols[place : place + len(parts)] != parts:
            return None
        _share(ends, place, parts, (_frame(start, spoken), _frame(stop, spoken)))
        place += len(parts)
    if any(symbol not in SEPARATORS for symbol in symbols[place:]):
        return None
    _give_pause(ends, place, len(symbols), _frame(len(spoken.samples), spoken))
    return ends


def _frame(sample: int, spoken: Spoken) -> int:
    return round(sample / spoken.rate / FRAME_SECONDS)


def _give_pause(ends: list[int], first: int, stop: int, frame: int) -> None:
    """End the first separator, and all after it, or else the symbol before, where a pause ends."""
    if first == stop and first > 0:
        ends[first - 1] = frame
    for place in range(first, stop):
        ends[place] = frame


def _share(ends: list[int], place: int, parts: list[str], span: tuple[int, int]) -> None:
    """Divide the span of a phoneme among its symbols; marks of stress get nothing."""
    long = sum(part not in STRESS for part in parts)
    seen = 0
    for offset, part in enumerate(parts):
        seen += part not in STRESS
        ends[place + offset] = span[0] + round((span[1] - span[0]) * seen / max(long, 1))
