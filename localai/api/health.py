"""`/health` (the process lives), `/ready` (it takes calls), `/metrics` and `/version`."""

from __future__ import annotations

import platform

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai import __version__
from localai.api.gateway import gateway_of
from localai.api.metrics import CONTENT_TYPE
from localai.protocol.asgi import json_response

router = APIRouter(tags=["health"])


@router.get("/health", response_class=Response)
async def show_health() -> Response:
    """Answer that the process is alive."""
    return json_response({"status": "ok"})


@router.get("/ready", response_class=Response)
async def show_readiness(request: Request) -> Response:
    """Answer 200 when there is at least one model to call, 503 otherwise."""
    models = len(gateway_of(request).catalog.cards())
    status = "ready" if models else "no model: add a card to the models folder"
    return json_response({"status": status, "models": models}, 200 if models else 503)


@router.get("/metrics", response_class=Response)
async def show_metrics(request: Request) -> Response:
    """Show counters for Prometheus."""
    return Response(gateway_of(request).metrics.render(), media_type=CONTENT_TYPE)


@router.get("/version", response_class=Response)
async def show_version() -> Response:
    """Show the versions of the gateway and of Python."""
    return json_response({"version": __version__, "python": platform.python_version()})
