"""Speech as it leaves: a file, or server-sent events that carry one.

Source: OpenAI's specification, `CreateSpeechResponseStreamEvent`.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import math
from functools import cached_property

from starlette.responses import Response

from localai.errors import LocalAIError
from localai.protocol import sse
from localai.protocol.audio import SpeechRequest
from localai.worker.answers import Form
from localai.worker.audio_encoding import (
    FORMATS,
    SAMPLE_RATE,
    Encoder,
    check_rate,
    create_encoder,
    encode_all,
)
from localai.worker.results import Sound

log = logging.getLogger(__name__)
_TOKENS_A_SECOND = 20
"""An output token is 50 ms of audio, as OpenAI's realtime models count; an input token is a
character."""


def speech_form(request: SpeechRequest) -> Form[Sound]:
    """Return how the answer to `request` is written; raises InvalidRequest for its sample rate."""
    name, rate = request.response_format or "mp3", request.sample_rate or SAMPLE_RATE
    check_rate(name, rate)
    if request.stream_format == "sse":
        return SpeechEvents(name, rate, characters=len(request.input))
    return SpeechFile(name, rate)


class SpeechFile(Form[Sound]):
    """The audio itself. One that fails in the middle is cut off, so that the caller notices."""

    def __init__(self, name: str, rate: int) -> None:
        self.stream_type = FORMATS[name].content_type
        self._name = name
        self._rate = rate
        self._sounds: list[Sound] = []

    def collect(self, event: Sound) -> None:
        """Keep `event` for the whole file."""
        self._sounds.append(event)

    async def whole(self) -> Response:
        """Return the file of all collected sounds."""
        body = await asyncio.to_thread(encode_all, self._sounds, self._name, self._rate)
        return Response(body, media_type=self.stream_type)

    @cached_property
    def _encoder(self) -> Encoder:
        return create_encoder(self._name, self._rate)

    async def pieces(self, event: Sound) -> bytes:
        """Return what of the file is ready after `event`."""
        return await asyncio.to_thread(self._encoder.feed, event)

    async def ending(self) -> bytes:
        """Return the rest of the file."""
        return await asyncio.to_thread(self._encoder.finish)

    def failure(self, error: LocalAIError) -> bytes | None:
        """Leave the file incomplete; only the log can say why."""
        log.warning("speech broke off: %s", error.message)
        return None


class SpeechEvents(SpeechFile):
    """The file in pieces of base64, then its usage."""

    def __init__(self, name: str, rate: int, *, characters: int) -> None:
        super().__init__(name, rate)
        self.stream_type = sse.CONTENT_TYPE
        self._characters = characters
        self._seconds = 0.0

    async def pieces(self, event: Sound) -> bytes:
        """Return the frame for what of the file is ready after `event`."""
        self._seconds += len(event.samples) / 2 / event.rate
        return _delta(await super().pieces(event))

    async def ending(self) -> bytes:
        """Return the frames for the rest of the file and the usage."""
        return _delta(await super().ending()) + sse.data_frame(self._done()) + sse.DONE

    def failure(self, error: LocalAIError) -> bytes:
        """Return the frame that ends a failed stream."""
        return sse.error_frame(error)

    def _done(self) -> dict[str, object]:
        spoken = math.ceil(self._seconds * _TOKENS_A_SECOND)
        usage = {
            "input_tokens": self._characters,
            "output_tokens": spoken,
            "total_tokens": self._characters + spoken,
        }
        return {"type": "speech.audio.done", "usage": usage}


def _delta(audio: bytes) -> bytes:
    if not audio:
        return b""
    encoded = base64.b64encode(audio).decode("ascii")
    return sse.data_frame({"type": "speech.audio.delta", "audio": encoded})
