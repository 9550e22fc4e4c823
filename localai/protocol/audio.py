"""The typed requests for audio: transcription, translation, voice activity and speech.

Source: OpenAI's specification, `CreateTranscriptionRequest`, `CreateTranslationRequest` and
`CreateSpeechRequest`; LocalAI's for voice activity.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BeforeValidator, Field, model_validator

from localai.protocol.wire import Wire

LONGEST_INPUT = 4096
"""Characters that one call may have spoken, as OpenAI's specification says."""
OPENAI_VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse",
    "marin", "cedar",
)  # fmt: skip
"""The voices that programs written for OpenAI ask for."""


def _listed(value: object) -> object:
    # Forms that people write by hand say `include=logprobs` for `include[]=logprobs`.
    return [value] if isinstance(value, str) else value


def _as_object(value: object) -> object:
    if value == "auto":
        return {"type": "auto"}
    if isinstance(value, str):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            raise ValueError("should be 'auto' or an object of type 'server_vad'") from None
    return value


Texts = Annotated[list[str], BeforeValidator(_listed)]


class Chunking(Wire):
    """How the speech in the audio is found; what is left out is up to the model."""

    type: Literal["auto", "server_vad"]
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    prefix_padding_ms: Annotated[int, Field(ge=0, le=10_000)] | None = None
    silence_duration_ms: Annotated[int, Field(ge=0, le=60_000)] | None = None


class TranscriptionRequest(Wire):
    """`POST /v1/audio/transcriptions` and, with fewer parameters, `/v1/audio/translations`."""

    no_effect = frozenset(
        {"file", "model", "response_format", "stream", "timestamp_granularities", "user"}
    )
    plain_values = {
        "temperature": (0,), "include": ([],), "languages": ([],), "keywords": ([],),
        "known_speaker_names": ([],), "known_speaker_references": ([],), "prompt": ("",),
        "language": ("",),
    }  # fmt: skip

    file: str
    """The path of the audio, which the gateway has written to disk."""
    model: str | None = None
    language: str | None = None
    languages: Texts | None = None
    keywords: Texts | None = None
    prompt: str | None = None
    response_format: (
        Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] | None
    ) = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    include: Annotated[list[Literal["logprobs"]], BeforeValidator(_listed)] | None = None
    timestamp_granularities: (
        Annotated[list[Literal["word", "segment"]], BeforeValidator(_listed)] | None
    ) = None
    stream: bool | None = None
    chunking_strategy: Annotated[Chunking, BeforeValidator(_as_object)] | None = None
    known_speaker_names: Texts | None = None
    known_speaker_references: Texts | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        if self.response_format == "diarized_json":
            raise ValueError(
                "'response_format' diarized_json needs a model that tells speakers apart, which no "
                "backend here can; ask for verbose_json"
            )
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise ValueError(
                "'timestamp_granularities' is only allowed when 'response_format' is verbose_json"
            )
        if self.include and self.response_format not in (None, "json"):
            raise ValueError("'include' is only allowed when 'response_format' is json")
        if self.stream and self.response_format not in (None, "json", "text"):
            raise ValueError("'stream' is only allowed when 'response_format' is json or text")
        return self

    def wants_words(self) -> bool:
        """Tell whether the answer shows when each word is said."""
        return "word" in (self.timestamp_granularities or [])

    def wants_times(self) -> bool:
        """Tell whether the answer shows when anything is said."""
        return self.response_format in {"srt", "vtt", "verbose_json"}

    def wants_logprobs(self) -> bool:
        """Tell whether the answer shows how likely each token was."""
        return bool(self.include)


class VoiceActivityRequest(Wire):
    """`POST /v1/vad`: samples of one channel at 16 kHz, from -1 to 1."""

    no_effect = frozenset({"model", "audio"})

    audio: list[float]
    model: str | None = None


class VoiceId(Wire):
    """A voice by its id, the longer form of OpenAI's `voice`."""

    id: str


class SpeechRequest(Wire):
    """`POST /v1/audio/speech`, and `/tts` with the parameters that LocalAI adds."""

    no_effect = frozenset(
        {"model", "input", "response_format", "stream_format", "stream", "sample_rate", "user"}
    )
    plain_values = {
        "voice": ("",), "speed": (1,), "instructions": ("",), "language": ("",), "backend": ("",),
        "params": ({},),
    }  # fmt: skip

    input: Annotated[str, Field(max_length=LONGEST_INPUT)]
    model: str | None = None
    voice: str | VoiceId | None = None
    instructions: Annotated[str, Field(max_length=4096)] | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    stream_format: Literal["audio", "sse"] | None = None
    user: str | None = None
    stream: bool | None = None
    """LocalAI's: whether audio leaves while it is made."""
    sample_rate: Annotated[int, Field(ge=8000, le=48000)] | None = None
    """LocalAI's: samples a second of the answer."""
    language: str | None = None
    """LocalAI's: the language of the input."""
    backend: str | None = None
    """LocalAI's: what has to run the model."""
    params: dict[str, Any] | None = None
    """LocalAI's: options of one engine."""

    @model_validator(mode="after")
    def _has_input(self) -> Self:
        if not self.input.strip():
            raise ValueError("'input' must not be empty")
        return self

    def voice_name(self) -> str | None:
        """Return the wanted voice, None for the model's own default."""
        return (self.voice.id if isinstance(self.voice, VoiceId) else self.voice) or None

    def wants_stream(self) -> bool:
        """Tell whether audio leaves while it is made.

        It does, except for the formats whose header names the length: readers of saved files
        trust it, so that these come whole where nobody asks for a stream.
        """
        if self.stream_format == "sse":
            return True
        if self.stream is not None:
            return self.stream
        return self.stream_format is not None or self.response_format not in {"wav", "flac"}
