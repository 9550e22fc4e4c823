"""Finds models in galleries by words, by what they can do, and by whether they fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from localai.gallery.entry import Entry, Unusable
from localai.gallery.fit import Fit, FreeMemory, fit
from localai.gallery.index import Index
from localai.protocol.capabilities import Capability


@dataclass(frozen=True)
class Found:
    """A model that a search found: what can be installed, or what cannot."""

    gallery: str
    model: Entry | Unusable
    fit: Fit
    """For a model that cannot be installed: no, with the reason."""


def search(
    indexes: Iterable[Index],
    words: str = "",
    *,
    free: FreeMemory,
    capability: Capability | None = None,
    fits_only: bool = False,
) -> list[Found]:
    """Return every model that has all of `words`, the best match first.

    A model matches by its name, tags, capabilities, backend, licence and description, in this
    order of weight; models of one rank keep the order of their galleries.
    """
    wanted = words.casefold().split()
    ranked = [
        (rank, found)
        for found in _all(indexes, free)
        if (capability is None or capability in found.model.capabilities)
        and (found.fit.fits or not fits_only)
        and (rank := _rank(found.model, wanted)) is not None
    ]
    ranked.sort(key=lambda pair: pair[0])
    return [found for _, found in ranked]


def found_of(gallery: str, model: Entry | Unusable, free: FreeMemory) -> Found:
    """Return a model of `gallery` with whether it fits."""
    fits = fit(model, free) if isinstance(model, Entry) else Fit(False, model.reason)
    return Found(gallery, model, fits)


def describe(found: Found) -> dict[str, Any]:
    """Return what is told of a model wherever models are listed, for JSON."""
    model = found.model
    described: dict[str, Any] = {
        "name": model.name,
        "gallery": found.gallery,
        "description": model.description,
        "license": model.licence,
        "tags": list(model.tags),
        "capabilities": [capability.value for capability in model.capabilities],
        "installable": isinstance(model, Entry),
        "fits": found.fit.fits,
        "fit": found.fit.reason,
    }
    if isinstance(model, Entry):
        described |= {"backend": model.backend, "size": model.download_size}
        described |= {"notes": list(model.notes), "variants": list(model.variants)}
        described["files"] = [file.model_dump(mode="json") for file in model.files]
    return described


def _all(indexes: Iterable[Index], free: FreeMemory) -> Iterator[Found]:
    for index in indexes:
        models: list[Entry | Unusable] = [*index.entries.values(), *index.unusable.values()]
        yield from (found_of(index.name, model, free) for model in models)


def _rank(model: Entry | Unusable, words: list[str]) -> tuple[bool, int] | None:
    """Return the rank, lower is better and what cannot be installed last; None for no match."""
    ranks = [_word_rank(model, word) for word in words]
    total = 0
    for rank in ranks:
        if rank is None:
            return None
        total += rank
    return isinstance(model, Unusable), total


def _word_rank(model: Entry | Unusable, word: str) -> int | None:
    name = model.name.casefold()
    if word == name:
        return 0
    if name.startswith(word):
        return 1
    if word in name:
        return 2
    backend = model.backend if isinstance(model, Entry) else ""
    keys = [*model.tags, *model.capabilities, backend]
    if any(word in key.casefold() for key in keys):
        return 3
    texts = (model.licence or "", model.description)
    return 4 if any(word in text.casefold() for text in texts) else None
