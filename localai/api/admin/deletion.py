"""Deletes a model: what fetches it and what runs it ends first."""

from __future__ import annotations

import asyncio
from pathlib import Path

from localai.api.gateway import Gateway
from localai.cards.resolved import ResolvedCard
from localai.gallery.orders import model_of
from localai.store.errors import CannotWrite

_PATIENCE = 30.0
"""Seconds that a job may take to end after it was cancelled."""


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
        hidden.rename(card.path)
        gateway.catalog.refresh()
        if isinstance(error, OSError):
            raise _not_deleted(card, error) from error
        raise
    hidden.unlink(missing_ok=True)
    return freed


def _hide(card: ResolvedCard) -> Path:
    try:
        return card.path.rename(card.path.with_name(f".{card.path.name}.deleted"))
    except OSError as error:
        raise _not_deleted(card, error) from error


def _not_deleted(card: ResolvedCard, error: OSError) -> CannotWrite:
    return CannotWrite(
        f"The model '{card.name}' stays, as it cannot be removed: {error}. Give this user the "
        "right to write there."
    )


def _end_jobs(gateway: Gateway, card: ResolvedCard) -> None:
    for job in gateway.jobs.list():
        if job.can_be_cancelled and model_of(job.order) == card.name:
            gateway.jobs.cancel(job.id)
            gateway.jobs.wait(job.id, _PATIENCE)
