"""Deletes a model: what fetches it and what runs it ends first."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path

from localai.api.gateway import Gateway
from localai.cards.resolved import ResolvedCard
from localai.store.errors import CannotWrite

_log = logging.getLogger(__name__)
_PATIENCE = 3.0
"""Seconds that all jobs of a model may take to end; a cancelled one writes no card afterwards."""
_HIDDEN = ".{}.deleted"


async def delete(gateway: Gateway, card: ResolvedCard) -> int:
    """Unload and remove `card`, and what of the store it alone needs; returns freed bytes.

    Raises InUse when another process has a file of it open; then the card stays.
    """
    await asyncio.to_thread(_end_jobs, gateway, card)
    # Hidden first: no call has it loaded again, and a card that it stood before is seen.
    hidden = _hide(card)
    try:
        gateway.catalog.refresh()
        await gateway.pool.stop(card.name)
        others = gateway.catalog.cards()
        freed = await asyncio.to_thread(gateway.orders.free, card, others)
    except BaseException as error:
        _show(hidden, card.path)
        gateway.catalog.refresh()
        if isinstance(error, OSError):
            raise _not_deleted(card, error) from error
        raise
    hidden.unlink(missing_ok=True)
    return freed


def put_back(models: Path) -> None:
    """Show the cards again whose deletion did not come to its end, as the gateway was killed."""
    for hidden in sorted(models.rglob(_HIDDEN.format("*"))):
        if hidden.is_file():
            name = hidden.name.removeprefix(".").removesuffix(".deleted")
            _show(hidden, hidden.with_name(name))
            _log.warning("the deletion of %s was cut off: delete it again", hidden.with_name(name))


def _hide(card: ResolvedCard) -> Path:
    try:
        return card.path.rename(card.path.with_name(_HIDDEN.format(card.path.name)))
    except OSError as error:
        raise _not_deleted(card, error) from error


def _show(hidden: Path, path: Path) -> None:
    """Give a hidden card its name back, unless another card was written there meanwhile."""
    try:
        os.link(hidden, path)
    except FileExistsError:
        _log.warning("%s was written anew meanwhile: the card before it is gone", path)
    except OSError as error:
        if path.exists():
            _log.warning("%s was written anew meanwhile: the card before it is gone", path)
        else:  # a disk without links
            _log.debug("%s cannot be linked (%s), so it is renamed", hidden, error)
            hidden.rename(path)
    hidden.unlink(missing_ok=True)


def _not_deleted(card: ResolvedCard, error: OSError) -> CannotWrite:
    return CannotWrite(
        f"The model '{card.name}' stays, as it cannot be removed: {error}. Give this user the "
        "right to write there."
    )


def _end_jobs(gateway: Gateway, card: ResolvedCard) -> None:
    """Cancel what brings the model; one whose server is slow to answer ends a little later."""
    found = (job for job in gateway.jobs.list() if job.order.model == card.name)
    cancelled = [gateway.jobs.cancel(job.id) for job in found if job.can_be_cancelled]
    until = time.monotonic() + _PATIENCE
    for job in cancelled:
        gateway.jobs.wait(job.id, max(0.0, until - time.monotonic()))
