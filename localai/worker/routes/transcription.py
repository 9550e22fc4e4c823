"""Transcriptions, translations and voice activity over a loaded backend."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from localai.protocol.asgi import json_response
from localai.protocol.audio import TranscriptionRequest, VoiceActivityRequest
from localai.protocol.capabilities import Capability
from localai.worker.answers import Answer, ignored_header
from localai.worker.backend import Backend
from localai.worker.calls import Endpoint, read_call
from localai.worker.transcripts import TranscriptForm


def endpoints(backend: Backend) -> dict[Capability, Endpoint]:
    """Return what answers transcriptions, translations and voice activity."""

    async def find_speech(request: Request) -> Response:
        asked, ignored = await read_call(
            request, backend, Capability.VOICE_ACTIVITY, VoiceActivityRequest
        )
        spans = await backend.find_speech(asked)
        segments = [{"start": span.start, "end": span.end} for span in spans]
        return json_response({"segments": segments}, headers=ignored_header(ignored))

    return {
        Capability.TRANSCRIPTION: _transcription(backend, Capability.TRANSCRIPTION),
        Capability.TRANSLATION: _transcription(backend, Capability.TRANSLATION),
        Capability.VOICE_ACTIVITY: find_speech,
    }


def _transcription(backend: Backend, capability: Capability) -> Endpoint:
    translate = capability is Capability.TRANSLATION

    async def transcribe(request: Request) -> Response:
        asked, ignored = await read_call(request, backend, capability, TranscriptionRequest)
        heard = backend.transcribe(asked, translate=translate)
        form = TranscriptForm(asked, translate=translate)
        return Answer(heard, form, stream=bool(asked.stream), ignored=ignored)

    return transcribe
