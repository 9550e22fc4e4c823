"""A gallery's YAML to plain data with the line of every key, safe against hostile text.

A gallery is up to a thousand times as large as a card, may be a list, and LocalAI's own repeats
its parts by anchors and `<<`. So it is read here from the parser's events, in C where PyYAML can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from localai.cards.problems import Location, Problem
from localai.cards.yaml_source import YamlSource

MAX_BYTES = 32 << 20
MAX_VALUES = 2_000_000
MAX_DEPTH = 32
_TOO_LARGE = f"is larger than {MAX_BYTES >> 20} MiB: this is no gallery"

_TAG = "tag:yaml.org,2002:"
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTRUCT: dict[str, Callable[[Any, yaml.ScalarNode], Any]] = {
    f"{_TAG}null": yaml.SafeLoader.construct_yaml_null,
    f"{_TAG}bool": yaml.SafeLoader.construct_yaml_bool,
    f"{_TAG}int": yaml.SafeLoader.construct_yaml_int,
    f"{_TAG}float": yaml.SafeLoader.construct_yaml_float,
}
_TEXTS = frozenset({f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value"})
_MERGE = f"{_TAG}merge"


class _RefusedError(Exception):
    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message, self.line = message, line


def read_text(text: str, path: Path) -> YamlSource:
    """Read one document; whatever is wrong with it ends up in `problems`, `path` names it there."""
    source = YamlSource(path)
    try:
        if len(text) > MAX_BYTES:
            raise _RefusedError(_TOO_LARGE)
        source.data = _Builder(_LOADER(text.removeprefix("\ufeff")), source).document()
    except _RefusedError as refusal:
        source.problems.append(Problem(path, refusal.line, refusal.message))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        line = None if mark is None else mark.line + 1
        source.problems.append(Problem(path, line, f"is not valid YAML: {reason}"))
    return source


def read_file(path: Path) -> YamlSource:
    """Read one document from a file; whatever is wrong ends up in `problems`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) <= MAX_BYTES:
            return read_text(content.decode("utf-8-sig"), path)
        reason = _TOO_LARGE
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    return YamlSource(path, problems=[Problem(path, None, reason)])


class _Merge:
    """The key `<<`."""


class _Builder:
    """Turns events into data; every use of an anchor counts all that it stands for."""

    def __init__(self, loader: Any, source: YamlSource) -> None:
        self._loader, self._source, self._count = loader, source, 0
        self._anchors: dict[str, tuple[Any, int]] = {}

    def document(self) -> Any:
        self._loader.get_event()
        if not self._loader.check_event(yaml.DocumentStartEvent):
            raise _RefusedError("is empty", 1)
        self._loader.get_event()
        data = self._value(self._loader.get_event(), ())
        self._loader.get_event()
        if self._loader.check_event(yaml.DocumentStartEvent):
            line = _line(self._loader.get_event())
            raise _RefusedError("holds a second document: write one in each file", line)
        return data

    def _value(self, event: yaml.Event, location: Location) -> Any:
        self._source.lines.setdefault(location, _line(event))
        if isinstance(event, yaml.AliasEvent):
            return self._anchored(event)
        before = self._count
        self._add(1, event)
        if len(location) > MAX_DEPTH:
            raise _RefusedError("is nested too deeply", _line(event))
        if isinstance(event, yaml.MappingStartEvent):
            value: Any = self._mapping(location)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(location)
        else:
            value = self._scalar(event)
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = (value, self._count - before)
        return value

    def _anchored(self, event: yaml.AliasEvent) -> Any:
        if event.anchor not in self._anchors:
            raise _RefusedError(f"there is no anchor '&{event.anchor}' before this", _line(event))
        value, count = self._anchors[event.anchor]
        self._add(count, event)
        return value

    def _add(self, count: int, event: yaml.Event) -> None:
        self._count += count
        if self._count > MAX_VALUES:
            raise _RefusedError("holds too many values; are anchors repeated?", _line(event))

    def _sequence(self, location: Location) -> list[Any]:
        values: list[Any] = []
        while not self._loader.check_event(yaml.SequenceEndEvent):
            values.append(self._value(self._loader.get_event(), (*location, len(values))))
        self._loader.get_event()
        return values

    def _mapping(self, location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not self._loader.check_event(yaml.MappingEndEvent):
            key = self._loader.get_event()
            name = self._key(key)
            if isinstance(name, _Merge):
                merged = self._merged(key, location) | merged
                continue
            place = (*location, name)
            if name in found:
                text = f"'{name}' is written twice, first in line {self._source.lines[place]}"
                self._source.problems.append(Problem(self._source.path, _line(key), text))
            self._source.lines[place] = _line(key)
            found[name] = self._value(self._loader.get_event(), place)
        self._loader.get_event()
        return merged | found

    def _key(self, event: yaml.Event) -> str | _Merge:
        if not isinstance(event, yaml.ScalarEvent):
            raise _RefusedError("has a key that is not plain text", _line(event))
        if event.value == "<<" and self._tag(event) == _MERGE:
            return _Merge()
        return str(event.value)

    def _merged(self, key: yaml.Event, location: Location) -> dict[str, Any]:
        """Return the keys that `<<` brings; those of an earlier part win, as YAML says."""
        # The parts have no place of their own: what is wrong in one is shown at the entry's line.
        value = self._value(self._loader.get_event(), (*location, "<<"))
        parts = value if isinstance(value, list) else [value]
        merged: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, Mapping):
                raise _RefusedError("'<<' must name mappings", _line(key))
            merged = dict(part) | merged
        return merged

    def _tag(self, event: yaml.ScalarEvent) -> str:
        if event.tag is not None and event.tag != "!":
            return str(event.tag)
        return str(self._loader.resolve(yaml.ScalarNode, event.value, event.implicit))

    def _scalar(self, event: yaml.Event) -> Any:
        if not isinstance(event, yaml.ScalarEvent):
            raise _RefusedError("ends too early", _line(event))
        tag = self._tag(event)
        if tag in _TEXTS or _is_old_spelling(tag, event.value):
            return event.value
        construct = _CONSTRUCT.get(tag)
        if construct is None:
            raise _RefusedError(f"the tag {tag.replace(_TAG, '!!')} cannot be used", _line(event))
        try:
            return construct(self._loader, yaml.ScalarNode(tag, event.value))
        except (ValueError, KeyError) as error:
            raise _RefusedError(
                f"{event.value!r} cannot be read as a value", _line(event)
            ) from error


def _is_old_spelling(tag: str, text: str) -> bool:
    # YAML 1.1 reads `on` as true and `1:30` as 90; later versions and people read text.
    is_switch = tag == f"{_TAG}bool" and text.lower() not in ("true", "false")
    return is_switch or (tag == f"{_TAG}int" and ":" in text)


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return 1 if mark is None else int(mark.line) + 1
