"""Builds the gateway's ASGI app."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from fastapi import FastAPI

from localai import __version__
from localai.api import generated_route, health, tts
from localai.api.admin import model_gallery, model_jobs, not_served, workers
from localai.api.admin.deletion import put_back
from localai.api.cross_site import OwnPagesOnly
from localai.api.gateway import Gateway
from localai.api.generated_files import GeneratedFiles
from localai.api.metrics import Metrics
from localai.api.openai import audio, embeddings, images, models, speech, text
from localai.api.paths import ForgivingPaths
from localai.api.records import RequestRecords
from localai.api.schemas import describe_bodies
from localai.api.spool import Spool
from localai.cards.catalog import Catalog
from localai.gallery.galleries import galleries_of
from localai.gallery.job_log import JobLog
from localai.gallery.jobs import Jobs
from localai.gallery.named import GalleryNames
from localai.gallery.orders import Orders
from localai.gallery.preload import preload_orders
from localai.pool.launchers.process import ProcessLauncher
from localai.pool.pool import Pool
from localai.pool.state import Policy
from localai.protocol.asgi import install_error_handlers
from localai.protocol.manifest import read_manifests
from localai.settings import Settings, backend_folders, catalog_folders
from localai.store.whereabouts import Locator

log = logging.getLogger(__name__)
_TAKE_OVER_EVERY = 10.0
"""Seconds between two looks at the jobs of other gateways, whose records are read one by one."""
_OPENAI_ROUTERS = (
    text.router, embeddings.router, audio.router, speech.router, images.router, models.router,
)  # fmt: skip


def create_app(settings: Settings) -> FastAPI:
    """Return the gateway as an ASGI app; two apps share nothing.

    Raises ConfigError when a backend's manifest cannot be read, or nobody knows a model to preload.
    """
    gateway = _create_gateway(settings)
    preload = preload_orders(settings, gateway.catalog.cards(), gateway.orders.galleries)
    app = FastAPI(
        title="LocalAI",
        version=__version__,
        lifespan=_lifespan,
        redirect_slashes=False,
        docs_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        redoc_url=None,
    )
    app.state.gateway = gateway
    app.state.has_failed = False
    app.state.preload = preload
    # Before the models, whose names may be anything.
    app.include_router(model_jobs.router)
    app.include_router(model_gallery.router)
    app.include_router(not_served.router)
    for router in _OPENAI_ROUTERS:
        app.include_router(router, prefix="/v1")
        app.include_router(router, include_in_schema=False)
    for router in (health.router, workers.router, tts.router, generated_route.router):
        app.include_router(router)
    describe_bodies(app)
    install_error_handlers(app)
    app.add_middleware(OwnPagesOnly, public_url=settings.public_url)
    app.add_middleware(RequestRecords, count=gateway.metrics.count)
    app.add_middleware(ForgivingPaths)
    return app


def _create_gateway(settings: Settings) -> Gateway:
    manifests = read_manifests(*backend_folders(settings))
    galleries = galleries_of(settings, manifests)
    locate = Locator(settings.store, GalleryNames(galleries))
    catalog = Catalog(catalog_folders(settings), manifests, settings.default_models(), locate)
    put_back(settings.models)
    catalog.refresh()
    pool = Pool(
        ProcessLauncher(settings.runtime_dir),
        policy=Policy(cooldown=settings.load_cooldown),
        keep_alive=settings.keep_alive,
        lenient=settings.lenient,
    )
    spool = Spool(settings.spool_dir)
    generated = GeneratedFiles(spool, settings.file_ttl)
    orders = Orders(settings, manifests, catalog, galleries)
    jobs = Jobs(settings.store / "jobs", JobLog(orders.perform, catalog.cards, orders.card_of))
    return Gateway(settings, catalog, pool, Metrics(pool.views), spool, generated, orders, jobs)


def _fetch_profile(gateway: Gateway) -> None:
    """Go on with unfinished jobs, and begin to fetch the models of the profile."""
    gateway.jobs.resume(gateway.orders.is_current)
    for card in gateway.catalog.cards():
        if card.path.parent == gateway.profile_folder:
            gateway.fetch(card, first=False)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    gateway: Gateway = app.state.gateway
    running = asyncio.create_task(gateway.pool.run(), name="pool")
    running.add_done_callback(partial(_end_without_pool, app))
    reloading = asyncio.create_task(_reload(gateway), name="reload")
    taking_over = asyncio.create_task(_take_over(gateway), name="take over")
    _fetch_profile(gateway)
    for order in app.state.preload:
        gateway.jobs.submit(order)
    try:
        yield
    finally:
        reloading.cancel()
        taking_over.cancel()
        await gateway.pool.close()
        running.cancel()
        await asyncio.wait({reloading, taking_over, running})
        await asyncio.to_thread(gateway.jobs.close)
        gateway.spool.close()


def _end_without_pool(app: FastAPI, running: asyncio.Task[None]) -> None:
    """End the process when the pool's loop has failed: no call would ever be answered again."""
    if not running.cancelled() and (error := running.exception()) is not None:
        log.critical("the pool failed, so the gateway ends", exc_info=error)
        app.state.has_failed = True
        os.kill(os.getpid(), signal.SIGTERM)


async def _reload(gateway: Gateway) -> None:
    """Take up changed cards, and what is due, until cancelled; one bad round does not end it."""
    while True:
        await asyncio.sleep(gateway.settings.reload_interval)
        with _told("the cards cannot be read again"):
            gateway.catalog.refresh()
        with _told("the models whose cards are gone cannot be unloaded"):
            gateway.pool.retire_all_but(gateway.catalog.cards())
        with _told("the generated files that have expired cannot be removed"):
            gateway.generated.remove_expired()
        with _told("the jobs that have waited long enough cannot be tried again"):
            await asyncio.to_thread(gateway.jobs.begin_due)


async def _take_over(gateway: Gateway) -> None:
    """Go on with the jobs of gateways that have ended, until cancelled."""
    while True:
        await asyncio.sleep(_TAKE_OVER_EVERY)
        with _told("the jobs that other gateways left cannot be taken over"):
            await asyncio.to_thread(gateway.jobs.take_over_left, gateway.orders.is_current)


@contextmanager
def _told(failure: str) -> Iterator[None]:
    """Log what fails inside, and go on after it."""
    try:
        yield
    except Exception:
        log.exception(failure)
