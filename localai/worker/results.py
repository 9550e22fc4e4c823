"""What a backend yields beside text; the worker's routes turn these into OpenAI's shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector an input, in order, as float32 of shape (inputs, dimensions)."""

    vectors: NDArray[np.float32]
    tokens: int
    """Tokens of all inputs together, those beyond the window included."""
    is_normalized: bool = True
    """Whether they have length 1, which shortened ones then have too."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What is known of the audio before its first words; yielded first."""

    language: str
    """A code such as `en`."""
    duration: float
    """Seconds; an estimate where the audio is too long to have been read as a whole."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it is said, in seconds from the start."""

    word: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of transcribed speech; times in seconds from the start."""

    id: int
    start: float
    end: float
    text: str
    seek: int = 0
    tokens: list[int] = field(default_factory=list)
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_prob: float = 0.0
    words: list[Word] = field(default_factory=list)
    logprobs: list[dict[str, Any]] | None = None
    """OpenAI's entries (`token`, `logprob`, `bytes`), where asked for."""


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The whole audio is transcribed; yielded last."""

    duration: float
    """Seconds, of all that was there to read."""
    audio_tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class SpeechSpan:
    """Where somebody speaks, in seconds from the start."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Sound:
    """Spoken audio: one channel of signed 16-bit little-endian samples."""

    samples: bytes
    rate: int
    """Samples a second; the same for all sounds of one answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """Step `done` of `total` of all pictures together is finished."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Picture `index` of an answer; `partial` counts the unfinished ones before it from 0.

    The input is read once for all pictures, so its tokens belong to the first one.
    """

    image: Image
    index: int = 0
    partial: int | None = None
    text_tokens: int = 0
    image_tokens: int = 0
    output_tokens: int = 0
