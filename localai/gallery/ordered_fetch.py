"""Carries out the order to fetch what a card needs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from localai.cards.model_files import missing_references
from localai.cards.resolved import ResolvedCard
from localai.store.progress import Report

if TYPE_CHECKING:
    from localai.store.store import Store


def fetch_card(
    card: ResolvedCard, store: Store, report: Report, cancel: threading.Event
) -> Sequence[str]:
    """Fetch what `card` needs and is not here, and return what is to be known of it."""
    notes: list[str] = []
    for text, sha256 in missing_references(card).items():
        model = store.pull(
            text,
            sha256=sha256,
            trust=card.card.trust,
            projector="mmproj" not in card.card.options,  # else the card names its own
            progress=report,
            cancel=cancel,
        )
        store.note_card(model, card.path)
        notes += model.notes
    return notes
