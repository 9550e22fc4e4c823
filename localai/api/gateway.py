"""What the routes of one app share: settings, cards, pool, metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request

from localai.api.generated_files import GeneratedFiles
from localai.api.metrics import Metrics
from localai.api.spool import Spool
from localai.cards.catalog import Catalog
from localai.cards.model_files import missing_references
from localai.cards.problems import Problem
from localai.cards.resolved import ResolvedCard
from localai.gallery.job import Job
from localai.gallery.jobs import Jobs
from localai.gallery.order import fetch_order
from localai.gallery.orders import Orders
from localai.pool.pool import Pool
from localai.protocol.asgi import BodyLimits
from localai.settings import Settings, profile_folder


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything a route needs; one per app, never global."""

    settings: Settings
    catalog: Catalog
    pool: Pool
    metrics: Metrics
    spool: Spool
    generated: GeneratedFiles
    orders: Orders
    jobs: Jobs
    warned_of_vectors: set[str] = field(default_factory=set)
    """The cards of which it was logged that another one embeds in their place."""
    told_of_galleries: set[Problem] = field(default_factory=set)
    """What was logged to be wrong in galleries."""

    def fetch(self, card: ResolvedCard, *, first: bool = True) -> Job | None:
        """Begin to fetch what `card` needs, unless that failed lately; None where all is here.

        It goes `first` where a call waits for it.
        """
        if not missing_references(card):
            return None
        return self.jobs.submit_again(fetch_order(card), first=first)

    @property
    def profile_folder(self) -> Path | None:
        """The folder with the profile's cards, None without a profile."""
        profile = self.settings.profile
        return profile_folder(profile) if profile else None

    @property
    def body_limits(self) -> BodyLimits:
        """The most that a request's body may have."""
        return BodyLimits(int(self.settings.max_body_mib * 2**20), self.settings.max_json_depth)

    @property
    def most_upload_bytes(self) -> int:
        """The most that a request with files may have."""
        return int(self.settings.max_upload_mib * 2**20)


def gateway_of(request: Request) -> Gateway:
    """Return the gateway that `request` came to."""
    app = request.app
    assert isinstance(app, FastAPI)
    gateway = app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway
