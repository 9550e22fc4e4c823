"""A gallery: its entries, read from a file or from text, with all that is wrong in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from localai.cards.problems import Complaint, Location, Problem, shown_place
from localai.cards.yaml_source import YamlSource
from localai.errors import CardError, nearest
from localai.gallery.complaints import complaints_of, placed
from localai.gallery.entry import Entry, IndexFile, Unusable
from localai.gallery.yaml_text import read_file

_One = TypeVar("_One", Entry, Unusable)


@dataclass(frozen=True)
class Index:
    """What a gallery offers; an entry that is wrong is left out and named in `problems`."""

    name: str
    entries: Mapping[str, Entry] = field(default_factory=dict)
    unusable: Mapping[str, Unusable] = field(default_factory=dict)
    description: str = ""
    problems: tuple[Problem, ...] = ()
    source: YamlSource | None = None
    """The text, where there is one: it knows the lines."""
    places: Mapping[str, Location] = field(default_factory=dict)
    """Where each entry is in the text."""
    is_read: bool = True
    """False for a file that could not be read as a gallery: why is the one of `problems`."""

    def without(self, reasons: Mapping[str, str]) -> Index:
        """Return the gallery with some of its entries among the unusable ones, each for a reason.

        `reasons` are by the entries' names.
        """
        if not reasons:
            return self
        entries = {name: one for name, one in self.entries.items() if name not in reasons}
        left_out = {name: Unusable.of(self.entries[name], why) for name, why in reasons.items()}
        return replace(self, entries=entries, unusable={**self.unusable, **left_out})

    def problem_of(self, entry: str, complaint: Complaint) -> Problem:
        """Return a complaint about `entry` with its line."""
        source = self.source or YamlSource(Path(self.name))
        return placed(complaint, self.places.get(entry, ()), source)

    def dump(self) -> dict[str, Any]:
        """Return the gallery as its file holds it, without what is left at its default."""
        content: dict[str, Any] = {"description": self.description} if self.description else {}
        content["models"] = [_plain(entry) for entry in self.entries.values()]
        if self.unusable:
            content["unusable"] = [_plain(one) for one in self.unusable.values()]
        return content


def load_gallery(path: Path, name: str = "") -> Index:
    """Return the gallery of a file; raises CardError where it is no gallery at all."""
    return index_of(read_file(path), name or path.stem)


def keep_former(index: Index, former: Index) -> Index:
    """Return `index` with what it could not fetch as `former` has it, where it is there."""
    unfetched = [name for name, one in index.unusable.items() if one.unfetched]
    entries = {name: former.entries[name] for name in unfetched if name in former.entries}
    told = {name: former.unusable[name] for name in unfetched if name in former.unusable}
    unusable = {name: one for name, one in index.unusable.items() if name not in entries}
    return replace(index, entries={**index.entries, **entries}, unusable={**unusable, **told})


def index_of(source: YamlSource, name: str) -> Index:
    """Return the gallery of a text that was read; raises CardError where it is none."""
    if source.data is None and source.problems:
        raise source.problems[0].error()
    if not isinstance(source.data, dict) or not isinstance(source.data.get("models"), list):
        raise CardError(
            "is no gallery: it must hold `models:` with a list of entries",
            path=shown_place(source.path),
            line=1,
        )
    reader = _Reader(source)
    entries = reader.read("models", Entry)
    unusable = reader.read("unusable", Unusable)
    reader.check_keys()
    return Index(
        name=name,
        entries={one.name: one for one in entries},
        unusable={one.name: one for one in unusable if one.name not in reader.places},
        description=str(source.data.get("description") or ""),
        problems=tuple(sorted(reader.problems, key=lambda problem: problem.line or 0)),
        source=source,
        places=reader.places,
    )


class _Reader:
    """Reads the lists of a gallery and remembers what is wrong."""

    def __init__(self, source: YamlSource) -> None:
        self._source = source
        self.problems: list[Problem] = list(source.problems)
        self.places: dict[str, Location] = {}

    def read(self, key: str, kind: type[_One]) -> list[_One]:
        found: list[_One] = []
        listed = self._source.data.get(key)
        if listed is not None and not isinstance(listed, list):
            self._complain(Complaint((key,), f"'{key}' must be a list of entries"), ())
            return found
        for index, data in enumerate(listed or []):
            one = self._one(data, (key, index), kind)
            if one is not None:
                found.append(one)
        return found

    def check_keys(self) -> None:
        for key in self._source.data:
            if key not in IndexFile.model_fields:
                text = f"unknown key '{key}'.{nearest(key, IndexFile.model_fields)}"
                self._complain(Complaint((key,), text), ())

    def _one(self, data: Any, place: Location, kind: type[_One]) -> _One | None:
        try:
            one = kind.model_validate_json(_as_json(data), strict=True)
        except ValidationError as error:
            for complaint in complaints_of(error):
                self._complain(complaint, place)
            return None
        if kind is Entry and one.name in self.places:
            first = self._source.line_of(self.places[one.name])
            text = f"the name '{one.name}' is already taken in line {first}"
            self._complain(Complaint(("name",), text), place)
            return None
        if kind is Entry:
            self.places[one.name] = place
        return one

    def _complain(self, complaint: Complaint, place: Location) -> None:
        self.problems.append(placed(complaint, place, self._source))


def _as_json(data: Any) -> str:
    # JSON mode can be strict about types and still takes lists for tuples, text for enums; what
    # JSON does not have, as dates, is text then, and refused where no text may be.
    return json.dumps(data, default=str)


def _plain(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_defaults=True)
