"""Which models are not here, and whether anything is done about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from localai.api.gateway import Gateway
from localai.cards.model_files import missing_references
from localai.concealing import concealed
from localai.gallery.order import Order, fetch_order


@dataclass(frozen=True)
class Missing:
    """Models that are not here, by their names."""

    fetching: dict[str, str]
    """Those that are fetched or will be tried again, with their jobs' ids."""
    failed: dict[str, str]
    """Those that could not be fetched and are not tried again, with the errors."""
    not_ordered: list[str]
    """Those that nobody has asked for, or whose job was cancelled."""
    is_wanted: bool
    """Whether somebody who waits for all models has to wait, or to do something."""


def what_is_missing(gateway: Gateway, preload: Iterable[Order] = ()) -> Missing:
    """Return what is not here; what failed counts as wanted where it is of the profile.

    So does what the start asked for by `preload`, which need not have a card yet.
    """
    jobs = [job for job in gateway.jobs.list() if job.is_expected]
    fetching = {concealed(job.order.model): job.id for job in jobs}
    failed: dict[str, str] = {}
    not_ordered = []
    is_wanted = bool(fetching)
    for card in gateway.catalog.cards():
        if card.name in fetching or not missing_references(card):
            continue
        job = gateway.jobs.latest(fetch_order(card))
        if job is None or job.state != "failed":
            not_ordered.append(card.name)
        else:
            failed[card.name] = job.error or ""
            is_wanted = is_wanted or card.path.parent == gateway.profile_folder
    for order in preload:
        job, brought = gateway.jobs.latest(order), gateway.orders.card_of(order)
        if (
            job is not None
            and job.state == "failed"
            and (not brought or missing_references(brought))
        ):
            failed[concealed(order.model)] = job.error or ""
            is_wanted = True
    return Missing(fetching, failed, not_ordered, is_wanted)
