"""From a typed request to the worker that answers it: the steps that all routes share."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from localai.api.gateway import Gateway
from localai.api.openai.bodies import resolve_body
from localai.api.openai.not_here import not_here
from localai.api.openai.stand_in import explained
from localai.api.relay import Relay, Rewrite
from localai.api.spool import CallFiles
from localai.cards.model_files import has_its_files, remote_references
from localai.cards.resolved import ResolvedCard
from localai.protocol.capabilities import ROUTES, Capability
from localai.protocol.wire import Wire

_log = logging.getLogger(__name__)


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
    """Return who answers, and have what is missing fetched, for its fallbacks too.

    Raises ModelNotFound, InvalidRequest for what it cannot do, and what `not_here` returns where
    nobody's files are here.
    """
    meant = gateway.catalog.resolve(model, capability)
    line = gateway.catalog.line_of_answerers(meant, capability)
    card = next((one for one in line if has_its_files(one)), meant)
    if card is not meant or remote_references(card):
        before = line[: line.index(card)] if card is not meant else line
        jobs = [gateway.fetch(one) for one in before or line[:1]]
        if jobs[0] is not None and card is meant:
            raise not_here(meant, jobs[0])
    if card is not meant and capability is Capability.EMBEDDING:
        _warn_of_vectors(gateway, meant, card)
    return Answerer(meant, card)


def _warn_of_vectors(gateway: Gateway, meant: ResolvedCard, card: ResolvedCard) -> None:
    if meant.name in gateway.warned_of_vectors:
        return
    gateway.warned_of_vectors.add(meant.name)
    _log.warning(
        "'%s' embeds in place of '%s' until that is here: the vectors of the two are not "
        "comparable, so make those anew that are kept", card.name, meant.name,
    )  # fmt: skip


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
    meant, card = answerer.meant, answerer.card
    return Relay(
        gateway.pool,
        card,
        ROUTES[capability],
        resolve_body(body, kind, card.card.defaults, card.name),
        answerer.headers(),
        files=files,
        rewrite=rewrite,
        explain=None if card is meant else partial(explained, meant=meant, card=card),
    )
