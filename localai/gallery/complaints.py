"""What pydantic found wrong, in the words that cards use, with the nearest right name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from localai.cards.complaints import complaints_in
from localai.cards.parameters import PARAMETERS
from localai.cards.problems import Complaint, Location, Problem
from localai.cards.schema import Limits
from localai.cards.yaml_source import YamlSource
from localai.errors import nearest
from localai.gallery.entry import Entry, EntryFile, Footprint, PartialCard, Unusable, Weights

_KEYS: Mapping[str, Collection[str]] = {
    "": Entry.model_fields,
    "files": EntryFile.model_fields,
    "card": PartialCard.model_fields,
    "limits": Limits.model_fields,
    "defaults": PARAMETERS,
    "footprint": Footprint.model_fields,
    "weights": Weights.model_fields,
    "unusable": Unusable.model_fields,
}
_HOMES = ("card", "limits", "defaults", "footprint")
_SEVERAL_FORMS = (("config_file",), ("size",))
"""Keys of LocalAI's entries whose values have one of several forms, each a branch of a union."""
_OTHER_SPELLINGS = {"license": "licence", "filename": "path", "url": "uri", "urls": "homepages"}


def complaints_of(error: ValidationError) -> Iterator[Complaint]:
    """Yield one complaint a place, the place inside the entry."""
    yield from complaints_in(error, _place, _unknown_key)


def placed(complaint: Complaint, before: Location, source: YamlSource) -> Problem:
    """Return `complaint` with its line, where `before` is the place of the entry it is about."""
    line = source.line_of((*before, *complaint.location))
    return Problem(source.path, line, complaint.message)


def _place(error: ErrorDetails) -> Location:
    # Pydantic also names the branches of a union, which are no places.
    location = error["loc"]
    if location[:2] == ("card", "defaults"):
        return location[:3]
    return location[:1] if location[:1] in _SEVERAL_FORMS else location


def _unknown_key(place: Location) -> str:
    key = str(place[-1])
    parents = [part for part in place[:-1] if isinstance(part, str)]
    parent = parents[-1] if parents else ""
    known = _KEYS.get(parent, ())
    where = f" in '{parent}'" if parent else ""
    if (other := _OTHER_SPELLINGS.get(key)) in known:
        return f"unknown key '{key}'{where}: here it is called '{other}'"
    home = next((one for one in _HOMES if key in _KEYS[one]), None)
    if home is not None and not parent:
        return f"unknown key '{key}': write it under '{_path_of(home)}'"
    return f"unknown key '{key}'{where}.{nearest(key, known)}"


def _path_of(home: str) -> str:
    return home if home in _KEYS[""] else f"card.{home}"
