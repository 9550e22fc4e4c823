"""`POST /v1/chat/completions` and `POST /v1/completions`."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.gateway import gateway_of
from localai.api.openai.calls import find_answerer, relay
from localai.api.plain_route import PlainRoute
from localai.api.schemas import request_body
from localai.protocol.asgi import parse_request, read_json_object
from localai.protocol.capabilities import Capability
from localai.protocol.requests import ChatRequest, CompletionRequest, Sampling

router = APIRouter(tags=["text"], route_class=PlainRoute)


@router.post("/chat/completions", response_class=Response, openapi_extra=request_body(ChatRequest))
async def create_chat_completion(request: Request) -> Response:
    """Answer a conversation, whole or streamed."""
    return await _answer(request, Capability.CHAT, ChatRequest)


@router.post("/completions", response_class=Response, openapi_extra=request_body(CompletionRequest))
async def create_completion(request: Request) -> Response:
    """Continue a text, whole or streamed."""
    return await _answer(request, Capability.COMPLETION, CompletionRequest)


async def _answer(request: Request, capability: Capability, kind: type[Sampling]) -> Response:
    gateway = gateway_of(request)
    body = await read_json_object(request, gateway.body_limits)
    asked = parse_request(kind, body)
    answerer = find_answerer(gateway, asked.model, capability)
    return relay(gateway, answerer, capability, kind, body)
