"""Speech over a loaded backend."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from localai.protocol.audio import SpeechRequest
from localai.protocol.capabilities import Capability
from localai.worker.answers import Answer, Form
from localai.worker.backend import Backend
from localai.worker.calls import Endpoint, read_call
from localai.worker.results import Sound


def endpoints(backend: Backend) -> dict[Capability, Endpoint]:
    """Return what answers a wish for speech."""

    async def speak(request: Request) -> Response:
        asked, ignored = await read_call(request, backend, Capability.SPEECH, SpeechRequest)
        form = await asyncio.to_thread(_form, asked)
        stream = asked.wants_stream()
        return Answer(backend.speak(asked), form, stream=stream, ignored=ignored)

    return {Capability.SPEECH: speak}


def _form(request: SpeechRequest) -> Form[Sound]:
    # The encoders are slow to import, and a worker that can speak may never be asked to.
    from localai.worker.speech_forms import speech_form

    return speech_form(request)
