"""YAML to plain data with the line of every key, safe against hostile files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from localai.cards.problems import Location, Problem

MAX_BYTES = 1 << 20
MAX_NODES = 20_000
MAX_DEPTH = 32

_TAG = "tag:yaml.org,2002:"
_SCALARS: dict[str, Callable[[yaml.SafeLoader, yaml.ScalarNode], Any]] = {
    f"{_TAG}null": yaml.SafeLoader.construct_yaml_null,
    f"{_TAG}bool": yaml.SafeLoader.construct_yaml_bool,
    f"{_TAG}int": yaml.SafeLoader.construct_yaml_int,
    f"{_TAG}float": yaml.SafeLoader.construct_yaml_float,
}
# Dates are text: no key of a card takes one, and a model may well be called 2024-01-01.
_TEXTS = frozenset({f"{_TAG}str", f"{_TAG}timestamp"})


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
    """Read one mapping from `path`; whatever is wrong ends up in `problems`."""
    source = YamlSource(path)
    try:
        loader = yaml.SafeLoader(_read_text(path))
        node = _compose(loader)
        source.data = _Reader(loader, source).value(node, ())
    except _RefusedError as refusal:
        source.problems.append(Problem(path, refusal.line, refusal.message))
    except yaml.YAMLError as error:
        source.problems.append(_syntax_problem(path, error))
    except RecursionError:
        source.problems.append(Problem(path, None, "is nested too deeply"))
    return source


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _RefusedError(f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise _RefusedError("is larger than 1 MiB: this is no model card")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _RefusedError("is not UTF-8 text", line) from error


def _compose(loader: yaml.SafeLoader) -> yaml.MappingNode:
    documents = _documents(loader)
    node = next(documents, None)
    if node is None:
        raise _RefusedError("is empty: a card needs at least 'name' and 'backend'", 1)
    if (second := next(documents, None)) is not None:
        raise _RefusedError("holds a second card: write one card in each file", _line(second))
    if not isinstance(node, yaml.MappingNode):
        raise _RefusedError("must hold `key: value` lines, starting with 'name' and 'backend'", 1)
    return node


def _documents(loader: yaml.SafeLoader) -> Iterator[yaml.Node]:
    while loader.check_node():
        node = loader.get_node()
        if node is not None and not _is_blank(node):
            yield node


def _is_blank(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}null" and not node.value


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Reader:
    """Turns nodes into data; every use of an anchor counts, so a bomb ends at MAX_NODES."""

    def __init__(self, loader: yaml.SafeLoader, source: YamlSource) -> None:
        self._loader, self._source, self._count = loader, source, 0

    def value(self, node: yaml.Node, location: Location) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise _RefusedError("holds too many values; are anchors repeated?", _line(node))
        if len(location) > MAX_DEPTH:
            raise _RefusedError("is nested too deeply", _line(node))
        self._source.lines.setdefault(location, _line(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, (*location, i)) for i, one in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _RefusedError("has a key that is not plain text", _line(key))
            name, place = key.value, (*location, key.value)
            if name in found:
                first = self._source.lines[place]
                text = f"'{name}' is written twice, first in line {first}"
                self._source.problems.append(Problem(self._source.path, _line(key), text))
                continue
            self._source.lines[place] = _line(key)
            found[name] = self.value(value, place)
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag in _TEXTS or _is_old_spelling(node):
            return node.value
        construct = _SCALARS.get(node.tag)
        if construct is None or not isinstance(node, yaml.ScalarNode):
            raise _RefusedError(
                f"the tag {node.tag.replace(_TAG, '!!')} cannot be used", _line(node)
            )
        try:
            return construct(self._loader, node)
        except (ValueError, KeyError) as error:
            raise _RefusedError(f"{node.value!r} cannot be read as a value", _line(node)) from error


def _is_old_spelling(node: yaml.Node) -> bool:
    # YAML 1.1 reads `on` as true and `1:30` as 90; later versions and people read text.
    is_switch = node.tag == f"{_TAG}bool" and node.value.lower() not in ("true", "false")
    return is_switch or (node.tag == f"{_TAG}int" and ":" in node.value)


def _syntax_problem(path: Path, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if "'\\t'" in reason:
        reason = "a tab cannot indent YAML: use spaces"
    return Problem(path, None if mark is None else mark.line + 1, f"is not valid YAML: {reason}")
