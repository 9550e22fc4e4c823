"""`POST /v1/chat/completions` and `POST /v1/completions`."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.gateway import Gateway, gateway_of
from localai.api.openai.calls import Answerer, find_answerer, relay
from localai.api.openai.chat_media import (
    media_parts,
    wanted_capabilities,
    with_fetched_media,
)
from localai.api.plain_route import PlainRoute
from localai.api.schemas import request_body
from localai.errors import InvalidRequest
from localai.protocol.asgi import parse_request, read_json_object
from localai.protocol.capabilities import Capability
from localai.protocol.requests import ChatRequest, CompletionRequest

router = APIRouter(tags=["text"], route_class=PlainRoute)


@router.post("/chat/completions", response_class=Response, openapi_extra=request_body(ChatRequest))
async def create_chat_completion(request: Request) -> Response:
    """Answer a conversation, whole or streamed."""
    gateway = gateway_of(request)
    body = await read_json_object(request, gateway.body_limits)
    asked = parse_request(ChatRequest, body)
    parts = media_parts(asked)
    answerer = _find_chat_answerer(gateway, asked.model, wanted_capabilities(parts))
    if parts:
        body = await with_fetched_media(body, parts, gateway.settings)
    return relay(gateway, answerer, Capability.CHAT, ChatRequest, body)


@router.post("/completions", response_class=Response, openapi_extra=request_body(CompletionRequest))
async def create_completion(request: Request) -> Response:
    """Continue a text, whole or streamed."""
    gateway = gateway_of(request)
    body = await read_json_object(request, gateway.body_limits)
    asked = parse_request(CompletionRequest, body)
    answerer = find_answerer(gateway, asked.model, Capability.COMPLETION)
    return relay(gateway, answerer, Capability.COMPLETION, CompletionRequest, body)


def _find_chat_answerer(gateway: Gateway, model: str | None, wanted: list[Capability]) -> Answerer:
    """Return who can take all that the chat carries."""
    answerer = find_answerer(gateway, model, wanted[0])
    for capability in wanted[1:]:
        if capability not in answerer.card.capabilities:
            raise InvalidRequest(
                f"The model '{answerer.card.name}' cannot do '{capability}', which this chat needs "
                f"beside '{wanted[0]}'.",
                param="model",
                code="unsupported_capability",
            )
    return answerer
