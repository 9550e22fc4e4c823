"""Which form of a model suits a machine, where a gallery has several.

The choice is LocalAI's: forms that cannot be run here are no candidates; what fits the GPU comes
before what fits main memory alone; of those the largest is taken. The entry that was asked for is
always a candidate. (LocalAI also prefers some engines; of those, only llama.cpp is here.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from localai.errors import InvalidRequest, nearest
from localai.gallery.entry import Entry
from localai.gallery.fit import Fit, FreeMemory, fit
from localai.gallery.index import Index


@dataclass(frozen=True)
class Choice:
    """The form that is installed, under the name of the entry that was asked for, and why."""

    entry: Entry
    variant: str
    """What this form is called in the gallery."""
    reason: str
    """Half a sentence, as `the largest of 3 that fits: it needs about ...`."""


def choose_variant(
    entry: Entry, free: FreeMemory, wanted: str | None = None, *, indexes: Iterable[Index]
) -> Choice:
    """Return the form of `entry`, as its gallery has it, that suits `free`, or the `wanted` one.

    `indexes` are all galleries; forms are looked for in the one that `entry` is from. Raises
    InvalidRequest for a `wanted` one that is none of its forms, or cannot be run here.
    """
    home = _home(entry, indexes)
    forms = _forms(entry, home)
    if wanted is not None:
        return _named(entry, _wanted(entry, wanted, forms, home), "it was asked for")
    if len(forms) == 1:
        return _named(entry, entry, "it has no other form that can be run here")
    return _largest(entry, [(one, fit(one, free)) for one in forms])


def forms_of(entry: Entry, indexes: Iterable[Index]) -> list[Entry]:
    """Return all forms of `entry` that can be run here, itself first."""
    return _forms(entry, _home(entry, indexes))


def _home(entry: Entry, indexes: Iterable[Index]) -> Index | None:
    return next((one for one in indexes if one.entries.get(entry.name) == entry), None)


def _forms(entry: Entry, home: Index | None) -> list[Entry]:
    if home is None:
        return [entry]
    others = (name for name in entry.variants if name != entry.name)
    return [entry, *(home.entries[name] for name in others if name in home.entries)]


def _largest(entry: Entry, forms: list[tuple[Entry, Fit]]) -> Choice:
    fitting = [(one, found) for one, found in forms if found.fits]
    if fitting:
        best, found = max(fitting, key=lambda pair: _rank(pair[1]))
        where = "on the GPU" if found.on_gpu else "this machine"
        text = f"the largest of {len(forms)} that fits {where}: it {found.reason}"
        return _named(entry, best, text)
    if all(found.fits is None for _, found in forms):
        return _named(entry, entry, "nobody knows how large its other forms are")
    return _named(entry, entry, f"none of its {len(forms)} forms is known to fit this machine")


def _rank(found: Fit) -> tuple[bool, int]:
    return found.on_gpu, found.need.on_cpu if found.need else 0


def _wanted(entry: Entry, wanted: str, forms: list[Entry], home: Index | None) -> Entry:
    for one in forms:
        if one.name == wanted:
            return one
    if home is not None and wanted in entry.variants and wanted in home.unusable:
        raise InvalidRequest(
            f"The variant '{wanted}' of '{entry.name}' cannot be installed: "
            f"{home.unusable[wanted].reason}.",
            param="variant",
        )
    names = [one.name for one in forms]
    raise InvalidRequest(
        f"'{wanted}' is no variant of '{entry.name}', only: {', '.join(names)}."
        f"{nearest(wanted, names)}",
        param="variant",
    )


def _named(entry: Entry, form: Entry, reason: str) -> Choice:
    return Choice(form.model_copy(update={"name": entry.name}), form.name, reason)
