"""The backend as the worker host sees it."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncGenerator
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from backends.piper.files import load_voice
from backends.piper.options import Options
from backends.piper.speaking import Manner, Speaking
from backends.piper.voices import Voices
from localai.errors import InvalidRequest, LoadFailed
from localai.protocol.audio import SpeechRequest
from localai.protocol.capabilities import Capability
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.worker.backend import Backend
from localai.worker.results import Sound


class Piper(Backend):
    """Voices on Piper."""

    honours: ClassVar[dict[Capability, frozenset[str]]] = {
        Capability.SPEECH: frozenset({"voice", "speed", "language"}),
    }

    def __init__(self, spec: LaunchSpec) -> None:
        super().__init__(spec)
        self._options = Options.parse(spec.options)
        self._counts = {"speeches_running": 0, "phrases_total": 0, "cancelled_total": 0}

    async def load(self) -> WorkerInfo:
        """Load the voice and let it say a word."""
        if self.spec.model is None:
            raise LoadFailed("The card names no model: set `model` to the .onnx file of a voice.")
        await asyncio.to_thread(self._load, self.spec.model)
        return WorkerInfo(
            name=self.spec.name,
            backend="piper",
            capabilities=list(self.honours),
            max_concurrent=self.spec.max_concurrent,
            footprint={"host": self.spec.model.stat().st_size},
            build={name: version(name) for name in ("piper-tts", "onnxruntime", "av")},
        )

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[Sound, None]:
        """Say the input, a sound a phrase."""
        self._check_language(request.language)
        manner = Manner(self._voices.speaker(request.voice_name()), request.speed or 1.0)
        self._counts["speeches_running"] += 1
        try:
            phrases = await asyncio.to_thread(self._speaking.phrases, request.input)
            if not phrases:
                yield Sound(self._speaking.silence(), self._speaking.rate)
            for number, phrase in enumerate(phrases):
                spoken = await asyncio.to_thread(self._speaking.say, phrase, manner)
                self._counts["phrases_total"] += 1
                pause = self._speaking.pause(manner) if number and phrase.begins else b""
                yield Sound(pause + spoken, self._speaking.rate)
        except (GeneratorExit, asyncio.CancelledError):
            self._counts["cancelled_total"] += 1
            raise
        finally:
            self._counts["speeches_running"] -= 1

    def voices(self) -> list[str]:
        """Return the names of all voices."""
        return self._voices.names()

    def metrics(self) -> dict[str, float]:
        """Return how much is and was spoken."""
        return dict(self._counts)

    def _load(self, path: Path) -> None:
        # A sound that the model has no symbol for is left out; that is no news for every call.
        logging.getLogger("piper").setLevel(logging.ERROR)
        importlib.import_module("localai.worker.speech_forms")  # else the first call waits for it
        loaded = load_voice(path, self._options)
        voice, self._languages = loaded.voice, loaded.languages
        self._voices = Voices(
            voice.config.speaker_id_map,
            max(1, voice.config.num_speakers),
            named=self._options.voices,
            default=self._options.voice,
        )
        self._speaking = Speaking(voice, self._options)
        self._try(path)

    def _try(self, path: Path) -> None:
        try:
            for phrase in self._speaking.phrases("Hello."):
                self._speaking.say(phrase, Manner(self._voices.speaker(None), 1.0))
        except Exception as error:
            raise LoadFailed(f"{path} does not speak: {type(error).__name__}: {error}.") from error

    def _check_language(self, wanted: str | None) -> None:
        if wanted and _main_tag(wanted) not in map(_main_tag, self._languages):
            raise InvalidRequest(
                f"The voice of '{self.spec.name}' speaks '{self._languages[0]}', not '{wanted}'.",
                param="language",
            )


def _main_tag(language: str) -> str:
    """Return `en` for `en-us`, `en_GB` and `EN`."""
    return language.replace("_", "-").partition("-")[0].lower()
