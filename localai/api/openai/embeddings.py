"""`POST /v1/embeddings`."""

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
from localai.protocol.embeddings import EmbeddingRequest

router = APIRouter(tags=["embeddings"], route_class=PlainRoute)


@router.post("/embeddings", response_class=Response, openapi_extra=request_body(EmbeddingRequest))
async def create_embeddings(request: Request) -> Response:
    """Return a vector for each input."""
    gateway = gateway_of(request)
    body = await read_json_object(request, gateway.body_limits)
    asked = parse_request(EmbeddingRequest, body)
    answerer = find_answerer(gateway, asked.model, Capability.EMBEDDING)
    return relay(gateway, answerer, Capability.EMBEDDING, EmbeddingRequest, body)
