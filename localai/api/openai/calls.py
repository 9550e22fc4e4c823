"""From a typed request to the worker that answers it: the steps that all routes share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localai.api.gateway import Gateway
from localai.api.openai.bodies import resolve_body
from localai.api.relay import Relay, Rewrite
from localai.api.spool import CallFiles
from localai.cards.model_files import remote_references
from localai.cards.resolved import ResolvedCard
from localai.errors import ModelNotHere
from localai.gallery.jobs import Job
from localai.protocol.capabilities import ROUTES, Capability
from localai.protocol.wire import Wire

_RETRY_AFTER = 15


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answers a call: the card that its model name means, or the one that stands in for it."""

    meant: ResolvedCard
    card: ResolvedCard

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that tell a stand-in."""
        if self.card is self.meant:
            return []
        return [(b"x-localai-fallback-for", self.meant.name.encode())]


def find_answerer(gateway: Gateway, model: str | None, capability: Capability) -> Answerer:
    """Return who answers; raises ModelNotFound, and InvalidRequest for what it cannot do."""
    meant = gateway.catalog.resolve(model, capability)
    card = gateway.catalog.stand_in(meant, capability)
    if card is not meant or remote_references(card):
        job = gateway.fetch(meant)
        if job is not None and card is meant:
            raise _not_here(meant, job)
    return Answerer(meant, card)


def _not_here(card: ResolvedCard, job: Job) -> ModelNotHere:
    if job.error is not None:
        state = f"fetching it failed: {job.error}"
    elif job.total:
        state = f"{100 * job.done / job.total:.0f} % of {job.total / 1e9:.1f} GB are"
    else:
        state = "it is being fetched"
    return ModelNotHere(
        f"The model '{card.name}' is not on this machine yet: {state}. GET /models/jobs/{job.id} "
        "tells how far it is; with `fallback` in the card another model answers meanwhile.",
        param="model",
        retry_after=_RETRY_AFTER,
        details={"job": job.id},
    )


def relay(
    gateway: Gateway,
    answerer: Answerer,
    capability: Capability,
    kind: type[Wire],
    body: Mapping[str, Any],
    *,
    files: CallFiles | None = None,
    rewrite: Rewrite | None = None,
) -> Relay:
    """Return the answer to `body`, with the card's defaults filled in for what it leaves out."""
    card = answerer.card
    return Relay(
        gateway.pool,
        card,
        ROUTES[capability],
        resolve_body(body, kind, card.card.defaults, card.name),
        answerer.headers(),
        files=files,
        rewrite=rewrite,
    )
