"""What pydantic found wrong, in the words that cards use, with the nearest right name."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from localai.cards.parameters import PARAMETERS
from localai.cards.problems import Complaint, Location, Problem, dotted
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
_OTHER_SPELLINGS = {"license": "licence", "filename": "path", "url": "uri", "urls": "homepages"}


def complaints_of(error: ValidationError) -> Iterator[Complaint]:
    """Yield one complaint a place, the place inside the entry."""
    places: dict[Location, list[ErrorDetails]] = {}
    for one in error.errors(include_url=False):
        places.setdefault(_place(one["loc"]), []).append(one)
    for place, errors in places.items():
        yield _complaint(place, errors)


def placed(complaint: Complaint, before: Location, source: YamlSource) -> Problem:
    """Return `complaint` with its line, where `before` is the place of the entry it is about."""
    line = source.line_of((*before, *complaint.location))
    return Problem(source.path, line, complaint.message)


def _place(location: Location) -> Location:
    # Inside `defaults` pydantic also names the branches of a union, which are no places.
    if location[:2] == ("card", "defaults"):
        return location[:3]
    return location


def _complaint(place: Location, errors: list[ErrorDetails]) -> Complaint:
    kind = errors[0]["type"]
    if kind == "extra_forbidden":
        return Complaint(place, _unknown_key(place))
    if kind == "missing":
        return Complaint(place[:-1], f"the key '{dotted(place)}' is missing")
    prefix = f"{dotted(place)}: " if place else ""
    return Complaint(place, prefix + _plain(errors))


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


def _plain(errors: list[ErrorDetails]) -> str:
    # The branch of the right type has the more useful complaint.
    telling = [one for one in errors if not one["type"].endswith("_type")] or errors
    text = " or ".join(dict.fromkeys(_yaml_words(one["msg"]) for one in telling))
    value = errors[0]["input"]
    if telling[0]["type"] == "value_error" or isinstance(value, dict | list | BaseModel):
        return text
    return f"{text}, not {_shown(value)}"


def _yaml_words(message: str) -> str:
    text = message.removeprefix("Value error, ").removeprefix("Input ")
    return text.replace("an object", "a mapping").replace("a valid array", "a list")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
