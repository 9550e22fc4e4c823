"""`GET /models/jobs[/{id}]`: what is being fetched; `DELETE` or `POST …/cancel` ends it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.gateway import gateway_of
from localai.gallery.jobs import Job
from localai.protocol.asgi import json_response

router = APIRouter(prefix="/models/jobs", tags=["admin"])


@router.get("", response_class=Response)
async def list_jobs(request: Request) -> Response:
    """List all jobs, the latest first."""
    jobs = gateway_of(request).jobs.list()
    return json_response({"object": "list", "data": [describe_job(job) for job in jobs]})


@router.get("/{job_id}", response_class=Response)
async def show_job(request: Request, job_id: str) -> Response:
    """Show one job: state, phase, bytes, speed, and what went wrong."""
    return json_response(describe_job(gateway_of(request).jobs.find(job_id)))


@router.post("/{job_id}/cancel", response_class=Response)
@router.delete("/{job_id}", response_class=Response)
async def cancel_job(request: Request, job_id: str) -> Response:
    """Stop a job; what it has fetched stays for the next time."""
    return json_response(describe_job(gateway_of(request).jobs.cancel(job_id)))


def describe_job(job: Job) -> dict[str, Any]:
    """Return a job as answers show it, with the fields that LocalAI's clients read."""
    total = job.total
    left = None if total is None or job.speed <= 0 else (total - job.done) / job.speed
    return {
        "id": job.id,
        "order": dict(job.order),
        "state": job.state,
        "phase": job.phase,
        "progress": 100.0 if job.state == "done" else _percent(job.done, total),
        "current_bytes": job.done,
        "total_bytes": total,
        "bytes_per_second": round(job.speed),
        "seconds_left": None if left is None else round(left),
        "files": {name: {"done": done, "total": size} for name, (done, size) in job.files.items()},
        "error": None if job.error is None else {"message": job.error, "code": job.code},
        "created": round(job.created),
        "changed": round(job.changed),
        "processed": not job.is_open,
        "cancelled": job.state == "cancelled",
        "cancellable": job.is_open,
    }


def _percent(done: int, total: int | None) -> float:
    return round(100 * done / total, 1) if total else 0.0
