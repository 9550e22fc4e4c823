"""`GET /admin/workers`: what runs; `DELETE /admin/workers/{name}`: unload a model now."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.gateway import gateway_of
from localai.protocol.asgi import json_response

router = APIRouter(prefix="/admin", tags=["admin"])


@router.get("/workers", response_class=Response)
async def list_workers(request: Request) -> Response:
    """List every worker with its state, calls, memory and time to live."""
    views = gateway_of(request).pool.views()
    return json_response({"object": "list", "data": [asdict(view) for view in views]})


@router.delete("/workers/{name:path}", response_class=Response)
async def stop_worker(request: Request, name: str) -> Response:
    """Unload a model; running calls get a few seconds and then a typed error."""
    gateway = gateway_of(request)
    # A worker can outlive its card: it finishes what it has accepted.
    is_listed = any(view.model == name for view in gateway.pool.views())
    model = name if is_listed else gateway.catalog.find(name).name
    stopped = await gateway.pool.stop(model)
    return json_response({"model": model, "stopped": stopped})
