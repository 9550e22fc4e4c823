"""`/models/available`, `/galleries`, `/apply` and `/delete/{name}`: models of galleries, by name.

Bodies and answers are those of LocalAI, with more fields beside.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from localai.api.admin.deletion import delete
from localai.api.admin.job_stream import stream_job
from localai.api.gateway import Gateway, gateway_of
from localai.api.own_address import own_address
from localai.api.schemas import request_body
from localai.concealing import all_concealed, concealed
from localai.errors import InvalidRequest
from localai.gallery.apply import ApplyRequest, order_for
from localai.gallery.job import Job
from localai.gallery.memory import free_memory
from localai.gallery.order import DeleteOrder
from localai.gallery.search import Found, describe, search
from localai.protocol.asgi import json_response, parse_request, read_json_object
from localai.protocol.capabilities import Capability

_log = logging.getLogger(__name__)
router = APIRouter(prefix="/models", tags=["admin"])
_FLAGS = {"1": True, "true": True, "0": False, "false": False, "": False}


@router.get("/available", response_class=Response)
async def list_available(request: Request) -> Response:
    """List the models of all galleries, by `term` and `capability`; `fits=1` leaves others out."""
    query = request.query_params
    gateway = gateway_of(request)
    found = await asyncio.to_thread(
        _search, gateway, query.get("term", ""), _capability(query.get("capability")),
        _flag(query, "fits"),
    )  # fmt: skip
    here = {card.name for card in gateway.catalog.cards()}
    return json_response([_described(one, one.model.name in here) for one in found])


@router.get("/galleries", response_class=Response)
async def list_galleries(request: Request) -> Response:
    """List the galleries, the built-in one first, each with where it comes from."""
    known = await asyncio.to_thread(gateway_of(request).orders.galleries.known)
    return json_response([{"name": one.name, "url": concealed(one.source)} for one in known])


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
    job = gateway.jobs.record(DeleteOrder(card.name))
    deleted = {"name": card.name, "deleted": True, "freed_bytes": freed}
    return json_response(_reference(request, job) | deleted)


def _reference(request: Request, job: Job) -> dict[str, Any]:
    """Return where the job is told, as LocalAI answers."""
    base = own_address(request, gateway_of(request).settings)
    return {"uuid": job.id, "status": f"{base}/models/jobs/{job.id}"}


def _search(gateway: Gateway, words: str, capability: Capability | None, fits: bool) -> list[Found]:
    indexes = gateway.orders.galleries.all()
    problems = {problem for index in indexes for problem in index.problems}
    for problem in problems - gateway.told_of_galleries:
        _log.warning("a gallery is not all right: %s", problem)
    gateway.told_of_galleries.update(problems)
    return search(indexes, words, free=free_memory(), capability=capability, fits_only=fits)


def _flag(query: QueryParams, name: str) -> bool:
    text = query.get(name, "0")
    flag = _FLAGS.get(text.lower())  # clients in Python write True
    if flag is None:
        raise InvalidRequest(f"'{name}' is 1 or 0, not '{text}'.", param=name)
    return flag


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


def _described(found: Found, installed: bool) -> dict[str, Any]:
    described = describe(found) | {"gallery": {"name": found.gallery}, "installed": installed}
    if "files" in described:
        described["files"] = all_concealed(described["files"])
    return described
