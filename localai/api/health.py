"""`/health` (the process lives), `/ready` (it takes calls), `/metrics` and `/version`.

The first two answer to LocalAI's names as well, which its probes ask for.
"""

from __future__ import annotations

import asyncio
import platform
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai import __version__
from localai.api.gateway import gateway_of
from localai.api.metrics import CONTENT_TYPE
from localai.api.missing_models import what_is_missing
from localai.protocol.asgi import json_response

router = APIRouter(tags=["health"])


@router.get("/health", response_class=Response)
@router.get("/healthz", response_class=Response, include_in_schema=False)
async def show_health() -> Response:
    """Answer that the process is alive."""
    return json_response({"status": "ok"})


@router.get("/ready", response_class=Response)
@router.get("/readyz", response_class=Response, include_in_schema=False)
async def show_readiness(request: Request) -> Response:
    """Answer 200 when there is at least one model to call, 503 otherwise.

    With `?full=1` it is also 503 while anything is fetched or will be tried again, or where a model
    of the profile, or of `preload`, could not be fetched; what else is not here is told and does
    not count.
    """
    gateway = gateway_of(request)
    cards = gateway.catalog.cards()
    answer: dict[str, Any] = {
        "status": "ready" if cards else "no model: add a card to the models folder",
        "models": len(cards),
    }
    is_ready = bool(cards)
    if cards and request.query_params.get("full", "0") not in {"0", "false"}:
        missing = await asyncio.to_thread(what_is_missing, gateway, request.app.state.preload)
        answer |= {
            "fetching": missing.fetching,
            "failed": missing.failed,
            "not_ordered": missing.not_ordered,
        }
        is_ready = not missing.is_wanted
        if not is_ready:
            answer["status"] = "not all models are here: GET /models/jobs tells why"
    return json_response(answer, 200 if is_ready else 503)


@router.get("/metrics", response_class=Response)
async def show_metrics(request: Request) -> Response:
    """Show counters for Prometheus."""
    return Response(gateway_of(request).metrics.render(), media_type=CONTENT_TYPE)


@router.get("/version", response_class=Response)
async def show_version() -> Response:
    """Show the versions of the gateway and of Python."""
    return json_response({"version": __version__, "python": platform.python_version()})
