"""What callers are told of a model that is not on this machine, with nobody in its place."""

from __future__ import annotations

import time
from typing import Any

from localai.amounts import shown_bytes
from localai.cards.resolved import ResolvedCard
from localai.errors import LocalAIError, ModelNotHere
from localai.gallery.job import Job
from localai.gallery.jobs import TRIED_AGAIN_AFTER

_RETRY_AFTER = 15.0
"""Seconds after which a client may look again whether a model is here that is being fetched."""


class NotObtained(LocalAIError):
    """The model could not be fetched, and to call again does not mend that."""

    status = 502
    default_code = "model_not_obtained"

    def headers(self) -> dict[str, str]:
        """Return the header that keeps clients from trying again, also with 4xx."""
        return super().headers() | {"x-should-retry": "false"}


class _Refused(NotObtained):
    status = 403


class _NoSuchSource(NotObtained):
    status = 404


class _NoRoom(NotObtained):
    status = 507


_BY_STATUS = {kind.status: kind for kind in (_Refused, _NoSuchSource, _NoRoom)}


def not_here(card: ResolvedCard, job: Job) -> LocalAIError:
    """Return the error for a card of which `job` fetches, or should have fetched, the model."""
    is_final = job.state == "failed" and job.try_at is None
    kind = _BY_STATUS.get(job.status or 0, NotObtained) if is_final else ModelNotHere
    details: dict[str, Any] = {"job": job.id}
    return kind(
        f"The model '{card.name}' is not on this machine: {_state(job)}. GET /models/jobs/{job.id} "
        "tells more; with `fallback` in the card another model answers meanwhile.",
        param="model",
        code=job.code if is_final else None,
        retry_after=None if is_final else _wait(job),
        details=details,
    )


def _state(job: Job) -> str:
    if job.state == "cancelled":
        return "fetching it was cancelled"
    if job.error is not None:
        return f"fetching it failed: {job.error.rstrip('.')}"
    if job.total:
        return f"{100 * job.done / job.total:.0f} % of {shown_bytes(job.total)} are"
    return "it is being fetched"


def _wait(job: Job) -> float:
    """Return the seconds until something may have changed: until it is really tried again."""
    if job.try_at is not None:
        return max(1.0, job.try_at - time.time())
    return TRIED_AGAIN_AFTER if job.state == "cancelled" else _RETRY_AFTER
