"""Which form of a gallery's model is installed: what was asked for, or what suits the machine."""

from __future__ import annotations

from localai.cards.writing import card_file
from localai.gallery.entry import Entry
from localai.gallery.fit import FreeMemory
from localai.gallery.galleries import Galleries
from localai.gallery.memory import free_memory
from localai.gallery.taken_names import CardPlace, main_reference, runs_exactly
from localai.gallery.variants import choose_variant, forms_of


def chosen_form(
    entry: Entry,
    galleries: Galleries,
    wanted: str | None = None,
    *,
    place: CardPlace | None = None,
    name: str | None = None,
) -> str | None:
    """Return what the gallery calls the form of `entry` to install, None for `entry` itself.

    Where nothing is `wanted`, the form stays that the card `name` in `place` runs already: how much
    memory is free at the moment makes no other model of it.

    Raises InvalidRequest for a `wanted` one that is none of its forms, or cannot be run here.
    """
    if wanted is None and not entry.variants:
        return None  # nothing to choose from: what memory is free takes a while to find out
    if wanted is None and place is not None:
        wanted = _form_there(entry, galleries, place, name or entry.name)
    choice = choose_variant(entry, free_memory(), wanted, indexes=galleries.all())
    return None if choice.variant == entry.name else choice.variant


def _form_there(entry: Entry, galleries: Galleries, place: CardPlace, name: str) -> str | None:
    """Return the form of `entry` that the card `name` runs, None where it runs none."""
    card = card_file(place.models, name)
    if not card.exists():
        return None
    forms = {main_reference(form): form.name for form in forms_of(entry, galleries.all())}
    there = runs_exactly(card, forms, place.store)
    return None if there is None else forms[there]


def form_of(entry: Entry, variant: str | None, galleries: Galleries) -> Entry:
    """Return the form of `entry` that was chosen, under the name of `entry`."""
    if variant is None:
        return entry
    return choose_variant(entry, FreeMemory(0), variant, indexes=galleries.all()).entry
