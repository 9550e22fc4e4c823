"""`/v1/audio/transcriptions` and `/translations` with uploads, and `/v1/vad`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.gateway import gateway_of
from localai.api.openai.calls import find_answerer, relay
from localai.api.plain_route import PlainRoute
from localai.api.schemas import form_body, request_body
from localai.api.uploads import Form, read_form
from localai.errors import InvalidRequest
from localai.protocol.asgi import parse_form, parse_request, read_json_object
from localai.protocol.audio import TranscriptionRequest, VoiceActivityRequest
from localai.protocol.capabilities import Capability

router = APIRouter(tags=["audio"], route_class=PlainRoute)


@router.post(
    "/audio/transcriptions",
    response_class=Response,
    openapi_extra=form_body(TranscriptionRequest, files=("file",)),
)
async def create_transcription(request: Request) -> Response:
    """Write down what is said in an audio file."""
    return await _transcribe(request, Capability.TRANSCRIPTION)


@router.post(
    "/audio/translations",
    response_class=Response,
    openapi_extra=form_body(TranscriptionRequest, files=("file",)),
)
async def create_translation(request: Request) -> Response:
    """Write down in English what is said in an audio file."""
    return await _transcribe(request, Capability.TRANSLATION)


@router.post("/vad", response_class=Response, openapi_extra=request_body(VoiceActivityRequest))
async def find_speech(request: Request) -> Response:
    """Tell where somebody speaks, in LocalAI's shape."""
    gateway = gateway_of(request)
    body = await read_json_object(request, gateway.body_limits)
    asked = parse_request(VoiceActivityRequest, body)
    answerer = find_answerer(gateway, asked.model, Capability.VOICE_ACTIVITY)
    return relay(gateway, answerer, Capability.VOICE_ACTIVITY, VoiceActivityRequest, body)


async def _transcribe(request: Request, capability: Capability) -> Response:
    gateway = gateway_of(request)
    with gateway.spool.call_files() as files:
        form = await read_form(request, files, gateway.most_upload_bytes)
        asked = parse_form(TranscriptionRequest, _fields(form))
        answerer = find_answerer(gateway, asked.model, capability)
        body = asked.model_dump(mode="json", exclude_unset=True)
        return relay(gateway, answerer, capability, TranscriptionRequest, body, files=files)


def _fields(form: Form) -> dict[str, Any]:
    upload = form.take_file("file")
    form.refuse_other_files("file")
    if upload.size == 0:
        raise InvalidRequest("The file 'file' is empty: send audio.", param="file")
    return form.fields | {"file": str(upload.path)}
