"""The formant synthesiser espeak-ng through ctypes: sound with the times of words and phonemes."""

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

SYNCHRONOUS = 2
PHONEME_EVENTS = 1
UTF8 = 1
RATE, PITCH, RANGE = 1, 3, 4
LAST, WORD, END, PHONEME = 0, 1, 5, 7


class _Name(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("text", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """espeak_EVENT of espeak-ng/speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Manner:
    """How a sentence is spoken: voice name, words a minute, pitch and its range (0 to 100)."""

    voice: str = "en-us"
    rate: int = 160
    pitch: int = 50
    span: int = 50


@dataclass(frozen=True)
class Mark:
    """A word or phoneme and the second at which it begins."""

    name: str
    start: float


@dataclass(frozen=True)
class Speech:
    """Sound of one sentence (float, -1 to 1) and what is heard when."""

    sound: NDArray[np.float32]
    rate: int
    words: tuple[Mark, ...]
    phonemes: tuple[Mark, ...]


class Espeak:
    """The synthesiser; there is one in a process."""

    def __init__(self) -> None:
        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate: int = self._library.espeak_Initialize(SYNCHRONOUS, 0, data, PHONEME_EVENTS)
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        self._blocks: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, int, str, float]] = []

    def speak(self, text: str, manner: Manner) -> Speech:
        """Speak a sentence of plain lower-case words."""
        if self._library.espeak_SetVoiceByName(manner.voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {manner.voice}")
        for kind, value in ((RATE, manner.rate), (PITCH, manner.pitch), (RANGE, manner.span)):
            self._library.espeak_SetParameter(kind, value, 0)
        self._blocks, self._events = [], []
        encoded = text.encode() + b"\0"
        self._library.espeak_Synth(encoded, len(encoded), 0, 0, 0, UTF8, None, None)
        samples = np.concatenate(self._blocks or [np.zeros(0, np.int16)])
        sound = samples.astype(np.float32) / np.float32(32768)
        return Speech(sound, self.rate, self._words(text), self._spoken())

    def _receive(self, wave: Any, samples: int, events: Any) -> int:
        if samples > 0:
            self._blocks.append(np.ctypeslib.as_array(wave, shape=(samples,)).copy())
        place = 0
        while events[place].type != LAST:
            event = events[place]
            name = event.id.text.decode(errors="replace") if event.type == PHONEME else ""
            moment = event.audio_position / 1000
            self._events.append((event.type, event.text_position, name, moment))
            place += 1
        return 0

    def _words(self, text: str) -> tuple[Mark, ...]:
        found = {place: moment for kind, place, _, moment in self._events if kind == WORD}
        known = [(place - 1, moment) for place, moment in sorted(found.items())]
        known.append((len(text), self._events[-1][3] if self._events else 0.0))
        places, moments = zip(*known, strict=True)
        starts = [found.start() for found in re.finditer(r"\S+", text)]
        # Some short words have no event ("on the" is one): the share of letters tells their time.
        times = np.interp(starts, places, moments)
        return tuple(Mark(word, float(t)) for word, t in zip(text.split(), times, strict=True))

    def _spoken(self) -> tuple[Mark, ...]:
        kinds = (PHONEME, END)
        return tuple(Mark(name, moment) for kind, _, name, moment in self._events if kind in kinds)


@cache
def espeak() -> Espeak:
    """Return the synthesiser."""
    return Espeak()
