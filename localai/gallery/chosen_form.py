"""Which form of a gallery's model is installed: what was asked for, or what suits the machine."""

from __future__ import annotations

from localai.gallery.entry import Entry
from localai.gallery.fit import FreeMemory
from localai.gallery.galleries import Galleries
from localai.gallery.memory import free_memory
from localai.gallery.variants import choose_variant


def chosen_form(entry: Entry, galleries: Galleries, wanted: str | None = None) -> str | None:
    """Return what the gallery calls the form of `entry` to install, None for `entry` itself.

    Raises InvalidRequest for a `wanted` one that is none of its forms, or cannot be run here.
    """
    if wanted is None and not entry.variants:
        return None  # nothing to choose from: what memory is free takes a while to find out
    choice = choose_variant(entry, free_memory(), wanted, indexes=galleries.all())
    return None if choice.variant == entry.name else choice.variant


def form_of(entry: Entry, variant: str | None, galleries: Galleries) -> Entry:
    """Return the form of `entry` that was chosen, under the name of `entry`."""
    if variant is None:
        return entry
    return choose_variant(entry, FreeMemory(0), variant, indexes=galleries.all()).entry
