"""Options that let a model's repository run code of its own: no gallery may switch them on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from localai.cards.resolved import Backends
from localai.gallery.entry import Entry, Unusable
from localai.gallery.index import Index

REASON = (
    "it wants to run its repository's code; pull it by its reference and write `trust: true` into "
    "its card"
)


def code_options(backend: str, options: Mapping[str, Any], backends: Backends) -> tuple[str, ...]:
    """Return those of `options` that are switched on and run code of the model's repository."""
    if backend not in backends:
        return ()
    specs = backends[backend][1].options
    return tuple(
        name
        for name, value in options.items()
        if value and name in specs and specs[name].needs_trust
    )


def without_code(index: Index, backends: Backends) -> Index:
    """Return `index` with the entries that would run such code among the unusable ones."""
    running = {name: one for name, one in index.entries.items() if _runs_code(one, backends)}
    if not running:
        return index
    entries = {name: one for name, one in index.entries.items() if name not in running}
    unusable = {name: _refused(one) for name, one in running.items()}
    return replace(index, entries=entries, unusable={**index.unusable, **unusable})


def _runs_code(entry: Entry, backends: Backends) -> bool:
    return bool(code_options(entry.backend, entry.card.options, backends))


def _refused(entry: Entry) -> Unusable:
    return Unusable(
        name=entry.name,
        reason=REASON,
        description=entry.description,
        licence=entry.licence,
        capabilities=entry.capabilities,
        tags=entry.tags,
    )
