"""A job as answers show it: our own fields, and those that LocalAI's clients read."""

from __future__ import annotations

from typing import Any

from localai.amounts import shown_bytes
from localai.concealing import all_concealed, concealed
from localai.gallery.job import Job
from localai.gallery.order import InstallOrder, Order, as_json

_WHY = "others are fetched first, and what callers ask for before what the profile has"


def describe_job(job: Job) -> dict[str, Any]:
    """Return a job as answers show it."""
    total = job.total
    left = None if total is None or job.speed <= 0 else (total - job.done) / job.speed
    return {
        "id": job.id,
        "order": all_concealed(as_json(job.order)),
        # To callers a job that is being cancelled runs until it has ended.
        "state": "running" if job.state == "cancelling" else job.state,
        "phase": job.phase if job.state == "running" else job.state,
        "progress": 100.0 if job.state == "done" else _percent(job.done, total),
        "current_bytes": job.done,
        "total_bytes": total,
        "bytes_per_second": round(job.speed),
        "seconds_left": None if left is None else round(left),
        "files": {name: {"done": done, "total": size} for name, (done, size) in job.files.items()},
        "error": job.error,
        "error_code": job.code,
        "notes": list(job.notes),
        "created": round(job.created),
        "changed": round(job.changed),
        "try_at": None if job.try_at is None else round(job.try_at),
        "cancelled": job.state == "cancelled",
        "cancellable": job.can_be_cancelled,
    } | _for_localai(job)


def _for_localai(job: Job) -> dict[str, Any]:
    done, total = job.files.get(job.file, (0, None))
    return {
        "processed": not job.is_open,
        "message": _message(job),
        "deletion": job.order.kind == "delete",
        "file_name": job.file,
        "file_size": "" if total is None else shown_bytes(total),
        "downloaded_size": shown_bytes(done) if job.file else "",
        "gallery_element_name": concealed(_element(job.order)),
    }


def _element(order: Order) -> str:
    return order.entry if isinstance(order, InstallOrder) else order.model


def _message(job: Job) -> str:
    """Return the sentence that LocalAI has for a state: its clients compare some of them."""
    if job.state == "done":
        return "completed"
    if job.state == "failed":
        return f"error: {job.error}"
    if job.state == "waiting":
        return f"waiting: {_WHY}"
    if job.state == "cancelled":
        return "cancelled"
    if job.file:
        done, total = job.files[job.file]
        whole = "unknown" if total is None else shown_bytes(total)
        return f"processing file: {job.file}. Total: {whole}. Current: {shown_bytes(done)}"
    return f"processing model: {concealed(job.order.model)}"


def _percent(done: int, total: int | None) -> float:
    return round(100 * done / total, 1) if total else 0.0
