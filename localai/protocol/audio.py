"""The typed requests for audio: transcription, translation, voice activity and speech.

Source: OpenAI's specification, `CreateTranscriptionRequest`, `CreateTranslationRequest` and
`CreateSpeechRequest`; LocalAI's for voice activity.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from localai.protocol.wire import Wire

LONGEST_INPUT = 4096
"""Characters that one call may have spoken, as OpenAI's specification says."""
SPEECH_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")


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
    languages: list[str] | None = None
    keywords: list[str] | None = None
    prompt: str | None = None
    response_format: (
        Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] | None
    ) = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    include: list[Literal["logprobs"]] | None = None
    timestamp_granularities: list[Literal["word", "segment"]] | None = None
    stream: bool | None = None
    chunking_strategy: Literal["auto"] | dict[str, Any] | None = None
    known_speaker_names: list[str] | None = None
    known_speaker_references: list[str] | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _granularities_need_their_format(self) -> Self:
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise ValueError(
                "'timestamp_granularities' is only allowed when 'response_format' is verbose_json"
            )
        return self


class VoiceActivityRequest(Wire):
    """`POST /v1/vad`: samples of one channel at 16 kHz, from -1 to 1."""

    no_effect = frozenset({"model", "audio"})

    audio: list[float]
    model: str | None = None


class VoiceId(Wire):
    """A voice by its id, the longer form of OpenAI's `voice`."""

    id: str


class SpeechRequest(Wire):
    """`POST /v1/audio/speech`."""

    no_effect = frozenset({"model", "input", "response_format", "stream_format", "user"})
    plain_values = {"speed": (1,), "instructions": ("",)}

    input: Annotated[str, Field(max_length=LONGEST_INPUT)]
    model: str | None = None
    voice: str | VoiceId | None = None
    instructions: Annotated[str, Field(max_length=4096)] | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    stream_format: Literal["audio", "sse"] | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _has_input(self) -> Self:
        if not self.input.strip():
            raise ValueError("'input' must not be empty")
        return self

    def voice_name(self) -> str | None:
        """Return the wanted voice, None for the model's own default."""
        return self.voice.id if isinstance(self.voice, VoiceId) else self.voice
