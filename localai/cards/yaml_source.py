"""YAML to plain data with the line of every key, safe against hostile text.

It is read from the parser's events, so that every use of an anchor counts all that it stands for,
and in C where PyYAML can and the texts are large.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from localai.cards.problems import Location, Problem

MAX_BYTES = 1 << 20
MAX_NODES = 20_000
MAX_DEPTH = 32

_TAG = "tag:yaml.org,2002:"
_CONSTRUCT: dict[str, Callable[[Any, yaml.ScalarNode], Any]] = {
    f"{_TAG}null": yaml.SafeLoader.construct_yaml_null,
    f"{_TAG}bool": yaml.SafeLoader.construct_yaml_bool,
    f"{_TAG}int": yaml.SafeLoader.construct_yaml_int,
    f"{_TAG}float": yaml.SafeLoader.construct_yaml_float,
}
# Dates are text: no key of a card takes one, and a model may well be called 2024-01-01.
_TEXTS = frozenset({f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value"})
_MERGE = f"{_TAG}merge"


@dataclass(frozen=True)
class Form:
    """What a kind of file may be; its errors call it `what`."""

    what: str
    empty: str
    second: str
    most_bytes: int = MAX_BYTES
    most_values: int = MAX_NODES
    loader: type[Any] = yaml.SafeLoader
    texts: frozenset[str] = frozenset()
    """Keys whose values are texts as they are spelled, in mappings below them too: 1.10 is a name,
    and not 1.1."""


CARD = Form(
    what="model card",
    empty="is empty: a card needs at least 'name' and 'backend'",
    second="holds a second card: write one card in each file",
)


@dataclass
class YamlSource:
    """A file's data, the line of each place in it, and what was wrong with it."""

    path: Path
    data: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, location: Location) -> int | None:
        """Return the line of the innermost known part of `location`."""
        for end in range(len(location), -1, -1):
            if location[:end] in self.lines:
                return self.lines[location[:end]]
        return None


class _RefusedError(Exception):
    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message, self.line = message, line


def read_yaml(path: Path) -> YamlSource:
    """Read a card's one mapping from `path`; whatever is wrong ends up in `problems`."""
    source = read_file(path, CARD)
    if not source.problems and not isinstance(source.data, dict):
        text = "must hold `key: value` lines, starting with 'name' and 'backend'"
        source.problems.append(Problem(path, 1, text))
        source.data = None
    return source


def read_file(path: Path, form: Form) -> YamlSource:
    """Read one document from a file; whatever is wrong ends up in `problems`."""
    try:
        return read_text(_text_of(path, form), path, form)
    except _RefusedError as refusal:
        return YamlSource(path, problems=[Problem(path, refusal.line, refusal.message)])


def read_text(text: str, path: Path, form: Form) -> YamlSource:
    """Read one document; whatever is wrong with it ends up in `problems`, `path` names it there."""
    return _read(text, path, form, _Builder.document)


def read_documents(path: Path, form: Form) -> YamlSource:
    """Read all documents of a file that hold anything, as a list, as `read_file` does with one."""
    try:
        return _read(_text_of(path, form), path, form, _Builder.documents)
    except _RefusedError as refusal:
        return YamlSource(path, problems=[Problem(path, refusal.line, refusal.message)])


def _read(text: str, path: Path, form: Form, build: Callable[[_Builder], Any]) -> YamlSource:
    source = YamlSource(path)
    try:
        if len(text) > form.most_bytes:
            raise _RefusedError(_too_large(form))
        loader = form.loader(text.removeprefix("\ufeff"))
        source.data = build(_Builder(loader, source, form))
    except _RefusedError as refusal:
        source.problems.append(Problem(path, refusal.line, refusal.message))
    except yaml.YAMLError as error:
        source.problems.append(_syntax_problem(path, error))
    return source


def _text_of(path: Path, form: Form) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(form.most_bytes + 1)
    except OSError as error:
        raise _RefusedError(f"cannot be read: {error.strerror}") from error
    if len(content) > form.most_bytes:
        raise _RefusedError(_too_large(form))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _RefusedError("is not UTF-8 text", line) from error


def _too_large(form: Form) -> str:
    return f"is larger than {form.most_bytes >> 20} MiB: this is no {form.what}"


def _syntax_problem(path: Path, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if "'\\t'" in reason:
        reason = "a tab cannot indent YAML: use spaces"
    return Problem(path, None if mark is None else mark.line + 1, f"is not valid YAML: {reason}")


class _Merge:
    """The key `<<`."""


class _Builder:
    """Turns events into data; every use of an anchor counts all that it stands for."""

    def __init__(self, loader: Any, source: YamlSource, form: Form) -> None:
        self._loader, self._source, self._form, self._count = loader, source, form, 0
        self._anchors: dict[str, tuple[Any, int] | None] = {}

    def document(self) -> Any:
        self._loader.get_event()
        first = self._next_start()
        if first is None:
            raise _RefusedError(self._form.empty, 1)
        data = self._value(first, ())
        self._loader.get_event()
        if (second := self._next_start()) is not None:
            raise _RefusedError(self._form.second, _line(second))
        return data

    def documents(self) -> list[Any]:
        self._loader.get_event()
        found = []
        while (first := self._next_start()) is not None:
            self._anchors.clear()
            found.append(self._value(first, ()))
            self._loader.get_event()
        return [one for one in found if one is not None]

    def _next_start(self) -> yaml.Event | None:
        """Return the first event of the next document that holds anything."""
        while self._loader.check_event(yaml.DocumentStartEvent):
            self._loader.get_event()
            event: yaml.Event = self._loader.get_event()
            if not _is_blank(event):
                return event
            self._loader.get_event()
        return None

    def _value(self, event: yaml.Event, location: Location) -> Any:
        self._source.lines.setdefault(location, _line(event))
        if isinstance(event, yaml.AliasEvent):
            return self._anchored(event)
        before = self._count
        self._add(1, event)
        if len(location) > MAX_DEPTH:
            raise _RefusedError("is nested too deeply", _line(event))
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = None  # not known before its end
        if isinstance(event, yaml.MappingStartEvent):
            value: Any = self._mapping(location)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(location)
        else:
            value = self._scalar(event, self._is_text(location))
        if anchor:
            self._anchors[anchor] = (value, self._count - before)
        return value

    def _anchored(self, event: yaml.AliasEvent) -> Any:
        if event.anchor not in self._anchors:
            text = f"is not valid YAML: there is no anchor '&{event.anchor}' before this"
            raise _RefusedError(text, _line(event))
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise _RefusedError(f"is nested too deeply: &{event.anchor} holds itself", _line(event))
        value, count = anchored
        self._add(count, event)
        return value

    def _add(self, count: int, event: yaml.Event) -> None:
        self._count += count
        if self._count > self._form.most_values:
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
                self._value(self._loader.get_event(), place)  # the first one counts
                continue
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

    def _is_text(self, location: Location) -> bool:
        """Tell whether a place is that of a text by its key, or by one of those around it."""
        for part in reversed(location):
            if not isinstance(part, str):
                return False
            if part in self._form.texts:
                return True
        return False

    def _scalar(self, event: yaml.Event, as_text: bool) -> Any:
        if not isinstance(event, yaml.ScalarEvent):
            raise _RefusedError("ends too early", _line(event))
        tag = self._tag(event)
        is_spelled = as_text and tag != f"{_TAG}null"
        if is_spelled or tag in _TEXTS or _is_old_spelling(tag, event.value):
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


def _is_blank(event: yaml.Event) -> bool:
    # A text in quotes may be empty; what nobody wrote is a plain one.
    return isinstance(event, yaml.ScalarEvent) and not event.value and event.implicit[0]


def _is_old_spelling(tag: str, text: str) -> bool:
    # YAML 1.1 reads `on` as true and `1:30` as 90; later versions and people read text.
    is_switch = tag == f"{_TAG}bool" and text.lower() not in ("true", "false")
    return is_switch or (tag == f"{_TAG}int" and ":" in text)


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return 1 if mark is None else int(mark.line) + 1
