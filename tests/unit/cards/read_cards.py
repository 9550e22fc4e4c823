"""The card of a file, for tests of good ones."""

from __future__ import annotations

from pathlib import Path

from localai.cards.reading import check_card
from localai.cards.resolved import Backends, ResolvedCard


def read_card(path: Path, backends: Backends) -> ResolvedCard:
    """Return the card of a file; raises CardError for the first thing that is wrong with it."""
    checked = check_card(path, backends)
    if checked.resolved is None:
        raise checked.problems[0].error()
    return checked.resolved
