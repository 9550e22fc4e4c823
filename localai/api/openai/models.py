"""`GET /v1/models` and `GET /v1/models/{id}`, with an admin view that also shows what is broken."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.gateway import Gateway, gateway_of
from localai.cards.catalog import BrokenCard
from localai.cards.model_files import has_its_files
from localai.cards.resolved import ResolvedCard
from localai.protocol.asgi import json_response
from localai.protocol.capabilities import Capability, input_modalities, output_modalities

router = APIRouter(tags=["models"])


@router.get("/models", response_class=Response)
async def list_models(request: Request) -> Response:
    """List every card; `?view=admin` adds files, states and broken cards."""
    gateway = gateway_of(request)
    describe = _describe_for_admin if _is_admin_view(request) else _describe
    answer: dict[str, Any] = {
        "object": "list",
        "data": [describe(gateway, card) for card in gateway.catalog.cards()],
    }
    if _is_admin_view(request):
        answer["errors"] = [_describe_broken(broken) for broken in gateway.catalog.errors()]
    return json_response(answer)


@router.get("/models/{model_id:path}", response_class=Response)
async def show_model(request: Request, model_id: str) -> Response:
    """Show one card, by its name or an alias."""
    gateway = gateway_of(request)
    describe = _describe_for_admin if _is_admin_view(request) else _describe
    return json_response(describe(gateway, gateway.catalog.find(model_id)))


def _describe_broken(broken: BrokenCard) -> dict[str, Any]:
    return {
        "path": str(broken.path),
        "line": broken.line,
        "message": broken.message,
        "card": broken.card_name,
    }


def _is_admin_view(request: Request) -> bool:
    return request.query_params.get("view") == "admin"


def _describe(gateway: Gateway, card: ResolvedCard) -> dict[str, Any]:
    return {
        "id": card.name,
        "object": "model",
        "created": card.created,
        "owned_by": "localai",
        "description": card.card.description,
        "capabilities": [capability.value for capability in card.capabilities],
        "input_modalities": input_modalities(card.capabilities),
        "output_modalities": output_modalities(card.capabilities),
        "aliases": list(card.aliases),
        "backend": card.card.backend,
        "is_here": has_its_files(card),
        "fallback": card.card.fallback,
        "default_for": [c.value for c in Capability if gateway.catalog.default(c) == card],
    }


def _describe_for_admin(gateway: Gateway, card: ResolvedCard) -> dict[str, Any]:
    states = {view.model: view.state.value for view in gateway.pool.views()}
    return _describe(gateway, card) | {
        "path": str(card.path),
        "source": card.source,
        "digest": card.digest,
        "state": states.get(card.name, "absent"),
    }
