"""`GET /models/available`, `POST /models/apply`, `POST /models/delete/{name}`: models by name.

Bodies and answers are those of LocalAI, with more fields beside.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.gateway import Gateway, gateway_of
from localai.api.schemas import request_body
from localai.errors import InvalidRequest, ModelNotFound, UnsupportedParameter
from localai.gallery.apply import ApplyRequest
from localai.gallery.entry import Entry
from localai.gallery.memory import free_memory
from localai.gallery.orders import install_order, pull_order
from localai.gallery.search import Found, search
from localai.protocol.asgi import json_response, parse_request, read_json_object
from localai.protocol.capabilities import Capability

router = APIRouter(prefix="/models", tags=["admin"])


@router.get("/available", response_class=Response)
async def list_available(request: Request) -> Response:
    """List the models of all galleries, by `term` and `capability`; `fits=1` leaves others out."""
    query = request.query_params
    gateway = gateway_of(request)
    found = await asyncio.to_thread(
        _search, gateway, query.get("term", ""), _capability(query.get("capability")),
        query.get("fits", "0") not in {"0", "false"},
    )  # fmt: skip
    here = {card.name for card in gateway.catalog.cards()}
    return json_response([_describe(one, one.model.name in here) for one in found])


@router.post("/apply", response_class=Response, openapi_extra=request_body(ApplyRequest))
async def apply_model(request: Request) -> Response:
    """Begin to install a model; answers with the job that does it."""
    gateway = gateway_of(request)
    body = await read_json_object(request, gateway.body_limits)
    order = await asyncio.to_thread(_order, gateway, parse_request(ApplyRequest, body))
    job = gateway.jobs.submit(order)
    address = f"{str(request.base_url).rstrip('/')}/models/jobs/{job.id}"
    return json_response({"uuid": job.id, "status": address})


@router.post("/delete/{name:path}", response_class=Response)
async def delete_model(request: Request, name: str) -> Response:
    """Unload a model, remove its card, and those of its files that no other card needs."""
    gateway = gateway_of(request)
    card = gateway.catalog.find(name)
    if card.path.parent != gateway.settings.models:
        raise InvalidRequest(
            f"The model '{card.name}' is not yours to delete: its card {card.path} comes with "
            "LocalAI. A card of the same name in your models folder takes its place.",
            param="name",
        )
    await gateway.pool.stop(card.name)
    freed = await asyncio.to_thread(gateway.orders.delete, card)
    gateway.catalog.refresh()
    return json_response({"name": card.name, "deleted": True, "freed_bytes": freed})


def _search(gateway: Gateway, words: str, capability: Capability | None, fits: bool) -> list[Found]:
    orders = gateway.orders
    return search(
        orders.galleries().all(), words, free=free_memory(), capability=capability,
        fits_only=fits,
    )  # fmt: skip


def _order(gateway: Gateway, asked: ApplyRequest) -> dict[str, Any]:
    for param in ("overrides", "files"):
        if getattr(asked, param):
            raise UnsupportedParameter(
                f"'{param}' is not taken here: install the model, then change its card in "
                f"{gateway.settings.models}.",
                param=param,
            )
    if (asked.id is None) == (asked.url is None):
        raise InvalidRequest("Give either 'id', a gallery's model, or 'url', a reference.")
    if asked.url is not None:
        return pull_order(asked.url, asked.name)
    if asked.name is not None:
        raise UnsupportedParameter(
            "A gallery's model keeps its name; write an alias into its card.", param="name"
        )
    return install_order(str(asked.id), _find(gateway, str(asked.id)))


def _find(gateway: Gateway, text: str) -> Entry:
    try:
        return gateway.orders.galleries().find(text)
    except ModelNotFound as error:
        raise ModelNotFound(error.message, param="id") from None


def _capability(text: str | None) -> Capability | None:
    if not text:
        return None
    try:
        return Capability(text)
    except ValueError:
        known = ", ".join(Capability)
        raise InvalidRequest(
            f"There is no capability '{text}', only: {known}.", param="capability"
        ) from None


def _describe(found: Found, installed: bool) -> dict[str, Any]:
    model = found.model
    described: dict[str, Any] = {
        "name": model.name,
        "gallery": {"name": found.gallery},
        "description": model.description,
        "license": model.licence,
        "tags": list(model.tags),
        "capabilities": [capability.value for capability in model.capabilities],
        "installed": installed,
        "installable": isinstance(model, Entry),
        "fits": found.fit.fits,
        "fit": found.fit.reason,
    }
    if isinstance(model, Entry):
        described |= {"backend": model.backend, "size": model.download_size}
        described["files"] = [file.model_dump(mode="json") for file in model.files]
    return described
