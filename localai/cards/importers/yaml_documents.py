"""YAML written for other programs: lists, several documents, anchors and merged mappings.

Every use of an anchor counts, so that a small file cannot stand for a large one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from localai.cards.importers.imported import CannotImport
from localai.cards.yaml_source import MAX_BYTES, MAX_DEPTH, MAX_NODES

_TAG = "tag:yaml.org,2002:"
_READ = frozenset({f"{_TAG}null", f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float"})
_TEXTS = frozenset({"name", "alias", "backend", "model", "voice", "mmproj", "roles"})
"""Keys that hold texts, as they are spelled: 1.10 is a name, and not 1.1."""
_SWITCHES = frozenset({"true", "false"})


def read_documents(path: Path) -> list[Any]:
    """Return the documents of a file as plain data; raises CannotImport."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise CannotImport("is larger than 1 MiB: this is no model card.", path=str(path))
        return parse_documents(content.decode("utf-8-sig"), path)
    except OSError as error:
        raise CannotImport(f"cannot be read: {error.strerror}.", path=str(path)) from error
    except UnicodeDecodeError as error:
        raise CannotImport("is not UTF-8 text.", path=str(path)) from error


def parse_documents(text: str, path: Path) -> list[Any]:
    """Return the documents of `text`, read from `path`; raises CannotImport."""
    reader = _Reader(path)
    loader = _Loader(text)
    try:
        found = []
        while loader.check_node():
            found.append(reader.value(loader, loader.get_node(), 0))
        return [one for one in found if one is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        line = None if mark is None else mark.line + 1
        raise CannotImport(f"is not valid YAML: {reason}.", path=str(path), line=line) from error
    except RecursionError as error:
        raise CannotImport("is nested too deeply.", path=str(path)) from error
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    # Go's reader, and so LocalAI's, knows this escape too.
    ESCAPE_REPLACEMENTS = yaml.SafeLoader.ESCAPE_REPLACEMENTS | {"'": "'"}  # type: ignore[misc]


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path, self._count = path, 0

    def value(
        self, loader: yaml.SafeLoader, node: yaml.Node | None, depth: int, *, as_text: bool = False
    ) -> Any:
        if node is None:
            return None
        self._count += 1
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            raise self._wrong("holds too many values, or is nested too deeply", node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(loader, node, depth, as_text)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(loader, one, depth + 1) for one in node.value]
        if as_text and isinstance(node, yaml.ScalarNode) and node.tag != f"{_TAG}null":
            return node.value
        return self._scalar(loader, node)

    def _mapping(
        self, loader: yaml.SafeLoader, node: yaml.MappingNode, depth: int, as_text: bool
    ) -> Any:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value_node in node.value:
            is_text = as_text or (isinstance(key, yaml.ScalarNode) and key.value in _TEXTS)
            value = self.value(loader, value_node, depth + 1, as_text=is_text)
            if key.tag == f"{_TAG}merge":
                for one in reversed(value if isinstance(value, list) else [value]):
                    merged |= one if isinstance(one, dict) else {}
            elif not isinstance(key, yaml.ScalarNode):
                raise self._wrong("has a key that is not plain text", key)
            elif key.value in own:
                raise self._wrong(f"'{key.value}' is written twice", key)
            else:
                own[key.value] = value
        return merged | own

    def _scalar(self, loader: yaml.SafeLoader, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise self._wrong("holds something that is no value", node)
        is_switch = node.tag == f"{_TAG}bool" and node.value.lower() not in _SWITCHES
        # YAML 1.1 reads `on` as true and 1:30 as 90; Go reads text.
        if node.tag not in _READ or is_switch or (node.tag == f"{_TAG}int" and ":" in node.value):
            return node.value
        try:
            return loader.construct_object(node)
        except ValueError as error:
            raise self._wrong(f"{node.value!r} cannot be read", node) from error

    def _wrong(self, message: str, node: yaml.Node) -> CannotImport:
        return CannotImport(f"{message}.", path=str(self._path), line=node.start_mark.line + 1)
