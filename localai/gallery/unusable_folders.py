"""Folders that no model or card can be written to: one sentence for commands and for jobs."""

from __future__ import annotations

from pathlib import Path

from localai.store.errors import CannotWrite, DiskFull
from localai.store.room import IN_THE_STORE, is_full


def cannot_write(store: Path, models: Path, error: OSError) -> CannotWrite | DiskFull:
    """Return what to say of a failure to write to the store or to the folder of cards."""
    if is_full(error):
        place = f"{error.filename}: " if error.filename else ""
        return DiskFull(
            f"{place}{error.strerror}, for the store {store} or the cards in {models}: "
            f"{IN_THE_STORE}."
        )
    return CannotWrite(
        f"The store {store} or the folder {models} cannot be used: {error}. Give this user the "
        "right to write there, or name other folders with LOCALAI_STORE and LOCALAI_MODELS."
    )
