"""The contract between the worker host and an engine: load, answer, unload."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import ClassVar

from localai.errors import InvalidRequest
from localai.protocol.audio import SpeechRequest, TranscriptionRequest, VoiceActivityRequest
from localai.protocol.capabilities import Capability
from localai.protocol.embeddings import EmbeddingRequest
from localai.protocol.events import Event, Usage
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.protocol.requests import ChatRequest, CompletionRequest
from localai.worker.results import (
    AudioInfo,
    Embeddings,
    Picture,
    Segment,
    Sound,
    SpeechSpan,
    Step,
    Transcribed,
)


class Backend(ABC):
    """One loaded model.

    The host calls `load` once, then any number of answers at the same time, then `unload`. An
    answer is an async generator; the host closes it when the caller goes away, so that cancelling
    belongs into its `finally`. Raise an error of `localai.errors` before the first event and the
    caller gets its HTTP status; later, and a stream of events ends with an error frame. A backend
    overrides what its manifest's capabilities promise.
    """

    honours: ClassVar[dict[Capability, frozenset[str]]] = {}
    """The request parameters that are honoured; others that change the answer are refused."""

    def __init__(self, spec: LaunchSpec) -> None:
        self.spec = spec

    @abstractmethod
    async def load(self) -> WorkerInfo:
        """Load the model.

        Raises LoadFailed with a sentence on what is wrong with the file or the options.
        """

    async def unload(self) -> None:  # noqa: B027 - most engines end with their process
        """Give everything back."""

    def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answer a conversation: deltas, one `Finished` a choice, `Usage` last."""
        raise self._cannot(Capability.CHAT)

    def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """Continue prompts; choice `prompt * n + i` is answer i to prompt number `prompt`."""
        raise self._cannot(Capability.COMPLETION)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return the vector of each input, of length 1 and at full dimensions."""
        raise self._cannot(Capability.EMBEDDING)

    def transcribe(
        self, request: TranscriptionRequest, *, translate: bool
    ) -> AsyncGenerator[AudioInfo | Segment | Transcribed, None]:
        """Write down what is said, in English where `translate`; segments as they are ready."""
        raise self._cannot(Capability.TRANSLATION if translate else Capability.TRANSCRIPTION)

    async def find_speech(self, request: VoiceActivityRequest) -> list[SpeechSpan]:
        """Return where somebody speaks."""
        raise self._cannot(Capability.VOICE_ACTIVITY)

    def speak(self, request: SpeechRequest) -> AsyncGenerator[Sound, None]:
        """Say the input, a sound a sentence; at least one, if only of silence."""
        raise self._cannot(Capability.SPEECH)

    def voices(self) -> list[str]:
        """Return every name that `voice` may have."""
        raise self._cannot(Capability.SPEECH)

    def draw(
        self, request: ImageRequest | ImageEditRequest | ImageVariationRequest
    ) -> AsyncGenerator[Step | Picture | Usage, None]:
        """Make `n` pictures: a `Step` after each, `Picture`s as they are ready, `Usage` last."""
        raise self._cannot(Capability.IMAGE)

    def metrics(self) -> dict[str, float]:
        """Return gauges and counters of the engine by name."""
        return {}

    def _cannot(self, capability: Capability) -> InvalidRequest:
        return InvalidRequest(f"The model '{self.spec.name}' has no {capability}.", param="model")
