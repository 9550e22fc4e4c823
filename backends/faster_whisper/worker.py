"""The backend as the worker host sees it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar

import ctranslate2
import faster_whisper
import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps

from localai.errors import LoadFailed
from localai.protocol.audio import TranscriptionRequest, VoiceActivityRequest
from localai.protocol.capabilities import Capability
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.worker.backend import Backend
from localai.worker.results import AudioInfo, Segment, SpeechSpan, Transcribed

from .asked import read_request
from .audio import RATE
from .model import Call, load_model
from .options import Options
from .stepping import steps
from .transcriber import Transcriber

_PARAMETERS = frozenset(
    {
        "language", "languages", "keywords", "prompt", "temperature", "include",
        "chunking_strategy",
    }
)  # fmt: skip
_SHORT_PAUSES = {"min_silence_duration_ms": 100, "speech_pad_ms": 30}
"""How voice activity is told where the card does not say; transcriptions want longer stretches."""
Heard = AudioInfo | Segment | Transcribed


class FasterWhisper(Backend):
    """Whisper models on CTranslate2."""

    honours: ClassVar[dict[Capability, frozenset[str]]] = {
        Capability.TRANSCRIPTION: _PARAMETERS,
        Capability.TRANSLATION: _PARAMETERS,
        Capability.VOICE_ACTIVITY: frozenset(),
    }

    def __init__(self, spec: LaunchSpec) -> None:
        super().__init__(spec)
        self._options = Options.parse(spec.options)
        self._threads = ThreadPoolExecutor(spec.max_concurrent, "transcription")
        self._figures = {
            "sequences_running": 0.0, "cancelled_total": 0.0, "audio_seconds_total": 0.0
        }  # fmt: skip

    async def load(self) -> WorkerInfo:
        """Load the model."""
        if self.spec.model is None:
            raise LoadFailed("The card names no model: set `model` to a folder with model.bin.")
        self._model = await asyncio.to_thread(load_model, self.spec.model, self._options)
        return WorkerInfo(
            name=self.spec.name,
            backend="faster_whisper",
            capabilities=list(self.honours),
            max_concurrent=self.spec.max_concurrent,
            footprint={"host": _resident_bytes()},
            build={
                "faster_whisper": faster_whisper.__version__,
                "ctranslate2": ctranslate2.__version__,
                "device": self._model.model.device,
                "compute_type": self._model.model.compute_type,
            },
        )

    async def unload(self) -> None:
        """Free the model."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._model.model.unload_model()

    async def transcribe(
        self, request: TranscriptionRequest, *, translate: bool
    ) -> AsyncGenerator[Heard, None]:
        """Write down what is said; segments as they are ready."""
        asked = read_request(
            request,
            self._options,
            self._model.hf_tokenizer,
            translate=translate,
            multilingual=self._model.model.is_multilingual,
        )
        call = Call()
        heard = Transcriber(self._model, self._options, asked, call).run()
        self._figures["sequences_running"] += 1
        try:
            async with aclosing(steps(heard, call, self._threads)) as events:
                async for event in events:
                    if isinstance(event, Transcribed):
                        self._figures["audio_seconds_total"] += event.duration
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            self._figures["cancelled_total"] += 1
            raise
        finally:
            self._figures["sequences_running"] -= 1

    async def find_speech(self, request: VoiceActivityRequest) -> list[SpeechSpan]:
        """Return where somebody speaks."""
        samples = np.asarray(request.audio, np.float32)
        options = VadOptions(**_SHORT_PAUSES | dict(self._options.vad))
        spans = await asyncio.to_thread(get_speech_timestamps, samples, options)
        return [SpeechSpan(span["start"] / RATE, span["end"] / RATE) for span in spans]

    def metrics(self) -> dict[str, float]:
        """Return the engine's figures."""
        return dict(self._figures)


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
