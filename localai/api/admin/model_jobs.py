"""`GET /models/jobs[/{id}]`: what is being fetched; `DELETE` or `POST …/cancel` ends it."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.admin.job_description import describe_job
from localai.api.admin.job_stream import stream_job
from localai.api.gateway import gateway_of
from localai.protocol.asgi import json_response

router = APIRouter(prefix="/models/jobs", tags=["admin"])


@router.get("", response_class=Response)
async def list_jobs(request: Request) -> Response:
    """List all jobs by their ids, as LocalAI does, the latest first."""
    jobs = gateway_of(request).jobs.list()
    return json_response({job.id: describe_job(job) for job in jobs})


@router.get("/{job_id}", response_class=Response)
async def show_job(request: Request, job_id: str) -> Response:
    """Show one job: state, phase, bytes, speed, and what went wrong."""
    return json_response(describe_job(gateway_of(request).jobs.find(job_id)))


@router.get("/{job_id}/events", response_class=Response)
async def follow_job(request: Request, job_id: str) -> Response:
    """Stream a job until it has ended, as server-sent events or as lines of JSON (`Accept`)."""
    jobs = gateway_of(request).jobs
    return stream_job(request, jobs, jobs.find(job_id))


@router.post("/{job_id}/cancel", response_class=Response)
@router.delete("/{job_id}", response_class=Response)
async def cancel_job(request: Request, job_id: str) -> Response:
    """Stop a job; what it has fetched stays for the next time."""
    # A thread: another gateway may be looking at the records.
    job = await asyncio.to_thread(gateway_of(request).jobs.cancel, job_id)
    return json_response(describe_job(job))
