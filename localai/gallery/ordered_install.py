"""Carries out the order to install an entry: a gallery's, or what a configuration comes to."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from localai.gallery.entry import Entry
from localai.gallery.install import install_from, kept_note
from localai.gallery.order import ConfigureOrder, InstallOrder
from localai.gallery.taken_names import CardPlace, main_reference, refuse_taken
from localai.store.progress import Report


def install_ordered(
    order: InstallOrder | ConfigureOrder,
    entry: Entry,
    place: CardPlace,
    report: Report,
    cancel: threading.Event,
) -> Sequence[str]:
    """Install `entry`, which is what `order` means, and return what is to be known of it."""
    refuse_taken(entry.name, main_reference(entry), place, force=order.force)
    place.check_can_be_written(entry.name, force=order.force)
    installed = install_from(
        place.store, entry, place.models, replace=order.force, progress=report, cancel=cancel
    )
    variant = order.variant if isinstance(order, InstallOrder) else None
    form = [f"'{variant}' is installed."] if variant else []
    return [*form, *entry.notes, *([] if installed.is_new else [kept_note(installed.card)])]
