"""`GET /models/available`, `POST /models/apply`, `POST /models/delete/{name}`: models by name.

Bodies and answers are those of LocalAI, with more fields beside.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.admin.deletion import delete
from localai.api.admin.job_stream import stream_job
from localai.api.gateway import Gateway, gateway_of
from localai.api.own_address import own_address
from localai.api.schemas import request_body
from localai.errors import InvalidRequest
from localai.gallery.apply import ApplyRequest, order_for
from localai.gallery.concealing import all_concealed
from localai.gallery.entry import Entry
from localai.gallery.job import Job
from localai.gallery.memory import free_memory
from localai.gallery.orders import delete_order
from localai.gallery.search import Found, search
from localai.protocol.asgi import json_response, parse_request, read_json_object
from localai.protocol.capabilities import Capability

_log = logging.getLogger(__name__)
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
    """Begin to install a model; answers with the job that does it, or with its events."""
    gateway = gateway_of(request)
    body = await read_json_object(request, gateway.body_limits)
    asked = parse_request(ApplyRequest, body)
    order = await asyncio.to_thread(order_for, asked, gateway.orders)
    job = gateway.jobs.submit(order)
    told = _reference(request, job)
    return stream_job(request, gateway.jobs, job, told) if asked.stream else json_response(told)


@router.post("/delete/{name:path}", response_class=Response)
async def delete_model(request: Request, name: str) -> Response:
    """Unload a model, remove its card, and those of its files that no other card needs."""
    gateway = gateway_of(request)
    card = gateway.catalog.named(name)
    if gateway.settings.models not in card.path.parents:
        raise InvalidRequest(
            f"The model '{card.name}' is not yours to delete: its card {card.path} comes with "
            "LocalAI. A card of the same name in your models folder takes its place.",
            param="name",
        )
    freed = await delete(gateway, card)
    job = gateway.jobs.record(delete_order(card))
    deleted = {"name": card.name, "deleted": True, "freed_bytes": freed}
    return json_response(_reference(request, job) | deleted)


def _reference(request: Request, job: Job) -> dict[str, Any]:
    """Return where the job is told, as LocalAI answers."""
    base = own_address(request, gateway_of(request).settings)
    return {"uuid": job.id, "status": f"{base}/models/jobs/{job.id}"}


def _search(gateway: Gateway, words: str, capability: Capability | None, fits: bool) -> list[Found]:
    indexes = gateway.orders.galleries().readable()
    problems = {problem for index in indexes for problem in index.problems}
    for problem in problems - gateway.told_of_galleries:
        _log.warning("a gallery is not all right: %s", problem)
    gateway.told_of_galleries.update(problems)
    return search(indexes, words, free=free_memory(), capability=capability, fits_only=fits)


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
        described |= {"notes": list(model.notes), "variants": list(model.variants)}
        described["files"] = all_concealed([file.model_dump(mode="json") for file in model.files])
    return described
