"""`POST /v1/images/generations`, `/edits` and `/variations`."""

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
from localai.protocol.images import ImageRequest

router = APIRouter(tags=["images"], route_class=PlainRoute)


@router.post(
    "/images/generations", response_class=Response, openapi_extra=request_body(ImageRequest)
)
async def create_image(request: Request) -> Response:
    """Draw what the prompt says."""
    gateway = gateway_of(request)
    body = await read_json_object(request, gateway.body_limits)
    asked = parse_request(ImageRequest, body)
    answerer = find_answerer(gateway, asked.model, Capability.IMAGE)
    return relay(gateway, answerer, Capability.IMAGE, ImageRequest, body)
