"""`/health` (the process lives), `/ready` (it takes calls), `/metrics` and `/version`."""

from __future__ import annotations

import platform
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai import __version__
from localai.api.gateway import gateway_of
from localai.api.metrics import CONTENT_TYPE
from localai.cards.model_files import missing_references
from localai.protocol.asgi import json_response

router = APIRouter(tags=["health"])


@router.get("/health", response_class=Response)
async def show_health() -> Response:
    """Answer that the process is alive."""
    return json_response({"status": "ok"})


@router.get("/ready", response_class=Response)
async def show_readiness(request: Request) -> Response:
    """Answer 200 when there is at least one model to call, 503 otherwise.

    With `?full=1` it is 503 until everything that cards fetch is here, and tells what is not.
    """
    cards = gateway_of(request).catalog.cards()
    status = "ready" if cards else "no model: add a card to the models folder"
    answer: dict[str, Any] = {"status": status, "models": len(cards)}
    if request.query_params.get("full", "0") not in {"0", "false"}:
        answer["missing"] = {
            card.name: list(missing) for card in cards if (missing := missing_references(card))
        }
    is_ready = cards and not answer.get("missing")
    if cards and not is_ready:
        answer["status"] = "fetching: GET /models/jobs tells how far it is"
    return json_response(answer, 200 if is_ready else 503)


@router.get("/metrics", response_class=Response)
async def show_metrics(request: Request) -> Response:
    """Show counters for Prometheus."""
    return Response(gateway_of(request).metrics.render(), media_type=CONTENT_TYPE)


@router.get("/version", response_class=Response)
async def show_version() -> Response:
    """Show the versions of the gateway and of Python."""
    return json_response({"version": __version__, "python": platform.python_version()})
