"""`POST /v1/audio/speech` and `GET /v1/audio/voices`."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.gateway import gateway_of
from localai.api.openai.calls import find_answerer, relay
from localai.api.plain_route import PlainRoute
from localai.api.relay import Relay
from localai.api.schemas import request_body
from localai.protocol.asgi import parse_request, read_json_object
from localai.protocol.audio import SpeechRequest
from localai.protocol.capabilities import Capability

router = APIRouter(tags=["audio"], route_class=PlainRoute)


@router.post("/audio/speech", response_class=Response, openapi_extra=request_body(SpeechRequest))
async def create_speech(request: Request) -> Response:
    """Say a text."""
    return await say(request, default_format=None)


async def say(request: Request, *, default_format: str | None) -> Response:
    """Return the spoken input; `default_format` is for calls that name none."""
    gateway = gateway_of(request)
    body = await read_json_object(request, gateway.body_limits)
    asked = parse_request(SpeechRequest, body)
    if asked.response_format is None and default_format is not None:
        body["response_format"] = default_format
    answerer = find_answerer(gateway, asked.model, Capability.SPEECH)
    if asked.backend == answerer.card.card.backend:
        del body["backend"]
    return relay(gateway, answerer, Capability.SPEECH, SpeechRequest, body)


@router.get("/audio/voices", response_class=Response)
async def list_voices(request: Request) -> Response:
    """List the voices of the model that `?model=` names, else of the default one."""
    await request.body()  # the relay takes what comes next for the caller's leaving
    gateway = gateway_of(request)
    answerer = find_answerer(gateway, request.query_params.get("model"), Capability.SPEECH)
    headers = answerer.headers()
    return Relay(gateway.pool, answerer.card, "/v1/audio/voices", None, headers)
