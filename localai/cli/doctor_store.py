"""Whether the models of the store are whole, and what it knows of them can be read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path

from localai.cards.resolved import ResolvedCard
from localai.cli.doctor_cards import failing_cards, folder_options
from localai.cli.doctor_findings import Finding, quoted
from localai.gallery.needed_files import Needs
from localai.settings import Settings
from localai.store.store import Store

_REFERENCE = re.compile(r'"reference": "([^"\\]+)"')


def check_store(settings: Settings, cards: Collection[ResolvedCard]) -> Iterator[Finding]:
    """Check every model of the store; those of failing cards are told with the cards."""
    store = Store(settings.store)
    for record in store.records.unreadable():
        text = f"{record} cannot be read: until it is gone, nothing of the store can be removed"
        yield Finding("warning", text, _mend_record(record, settings))
    told = Needs((card for card, _ in failing_cards(cards)), store)
    for model in store.list():
        damages = [said for one in model.files if (said := one.damage(store.folder)) is not None]
        if damages and not told.include(model):
            more = f", and {len(damages) - 1} files more" if len(damages) > 1 else ""
            text = f"{model.reference} is not as it was fetched: {damages[0]}{more}"
            yield Finding("warning", text, _pull(model.reference, settings))


def _mend_record(record: Path, settings: Settings) -> str:
    """Return what removes a record and, if it still tells of which model it is, brings it again."""
    found = _REFERENCE.search(record.read_text("utf-8", errors="replace"))
    again = f" && {_pull(found[1], settings)}" if found else ", and pull its model again"
    return f"rm {quoted(record)}{again}"


def _pull(reference: str, settings: Settings) -> str:
    return " ".join(["localai pull", shlex.quote(reference), *folder_options(settings)])
