"""Speech from libespeak-ng, with the phoneme of every moment."""

# Scientific libraries without types; the code says what their values are.
# mypy: disable-error-code="import-untyped,import-not-found"

import ctypes
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from .speakers import Speaker

SYNCHRONOUS = 2
PHONEME_EVENTS_IN_IPA = 1 | 2 | 0x8000
PHONEME = 7
UTF8 = 1
RATE_PARAMETER = 1
WORDS_PER_MINUTE = 165
DATA_PARTS = ("phondata", "phondata-manifest", "phonindex", "phontab", "intonations", "en_dict")


class _Identity(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Spoken:
    """Samples of a sentence, and its phonemes with the sample at which each begins.

    A pause has the empty string as its phoneme.
    """

    samples: NDArray[np.int16]
    rate: int
    phonemes: list[tuple[int, str]]


class Espeak:
    """The library, with the voices of speakers.py beside its own data."""

    def __init__(self, folder: Path, speakers: tuple[Speaker, ...]) -> None:
        _copy_data(folder, speakers)
        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate = int(
            self._library.espeak_Initialize(
                SYNCHRONOUS, 0, str(folder).encode(), PHONEME_EVENTS_IN_IPA
            )
        )
        if self.rate <= 0:
            raise RuntimeError(f"espeak-ng did not start with the data in {folder}")
        self._samples: list[NDArray[np.int16]] = []
        self._phonemes: list[tuple[int, str]] = []
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, speaker: Speaker) -> Spoken:
        """Speak one sentence."""
        voice = f"en-us+{speaker.name}".encode()
        if self._library.espeak_SetVoiceByName(voice) != 0:
            raise RuntimeError(f"espeak-ng does not know the voice {voice.decode()}")
        self._library.espeak_SetParameter(RATE_PARAMETER, WORDS_PER_MINUTE, 0)
        self._samples, self._phonemes = [], []
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, UTF8, None, None)
        return Spoken(np.concatenate(self._samples), self.rate, self._phonemes)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if count > 0:
            self._samples.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for event in _until_last(events):
            if event.type == PHONEME:
                self._phonemes.append((event.sample, event.id.string.decode()))
        return 0


def _until_last(events: Any) -> Iterator[Any]:
    index = 0
    while events[index].type != 0:
        yield events[index]
        index += 1


def _copy_data(folder: Path, speakers: tuple[Speaker, ...]) -> None:
    source = Path(espeakng_loader.get_data_path())
    voices = folder / "voices" / "!v"
    voices.mkdir(parents=True, exist_ok=True)
    for part in DATA_PARTS:
        shutil.copy(source / part, folder / part)
    shutil.copytree(source / "lang" / "gmw", folder / "lang" / "gmw", dirs_exist_ok=True)
    for speaker in speakers:
        (voices / speaker.name).write_text(speaker.variant(), encoding="utf-8")
