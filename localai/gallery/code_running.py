"""Options that let a model's repository run code of its own: no gallery may switch them on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localai.cards.resolved import Backends
from localai.gallery.entry import Entry

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


def runs_code(entry: Entry, backends: Backends) -> bool:
    """Tell whether an entry would run such code."""
    return bool(code_options(entry.backend, entry.card.options, backends))
