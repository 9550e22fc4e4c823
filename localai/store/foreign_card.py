"""A card that came with somebody else's model: it runs no code, and reaches for no file of ours."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from localai.cards.yaml_source import CARD, read_text
from localai.store.errors import UnreadableArtifact, UnsafeFile

_CODE = frozenset({".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".sh", ".exe", ".pth"})
_PLACES = ("model", "options", "files")
"""The keys of a card that may name files."""
_OUTSIDE = re.compile(r"[/~\\]|file:|[A-Za-z]:[\\/]", re.IGNORECASE)


def refuse_programs(paths: Collection[str], source: str, trust: bool) -> None:
    """Raise UnsafeFile when one of `paths` is a program, which some engines would run."""
    programs = [path for path in paths if PurePosixPath(path).suffix.lower() in _CODE]
    if programs and not trust:
        raise UnsafeFile(
            f"{source} holds {', '.join(programs[:3])}: programs, which run with your rights when "
            "the model is loaded. If you trust who made it: --trust.",
            details={"files": programs},
        )


def read_card(text: str, source: str) -> dict[str, Any] | None:
    """Return the card in `text`, which stands for nothing that is larger; None where it is blank.

    Raises UnreadableArtifact for what is no card at all.
    """
    if not text.strip():
        return None
    read = read_text(text, Path(source), CARD)
    if read.problems:
        problem = read.problems[0]
        where = "" if problem.line is None else f" (line {problem.line})"
        raise UnreadableArtifact(f"{source} holds a card that {problem.message}{where}.")
    if read.data is not None and not isinstance(read.data, dict):
        raise UnreadableArtifact(f"{source} holds a card that is no card.")
    return read.data


def refuse_unsafe_card(text: str, source: str, trust: bool) -> None:
    """Raise UnsafeFile for a card that lets code run, or names files outside the store.

    Raises UnreadableArtifact as `read_card`.
    """
    card = read_card(text, source)
    if trust or card is None:
        return
    for key, value in _values(card):
        if "trust" in key.rpartition(".")[2].lower() and value:
            raise UnsafeFile(
                f"The card in {source} says `{key}: {str(value).lower()}`, which lets the model "
                "run programs of its own. If you trust who made it: --trust."
            )
    for key, value in _values({key: card.get(key) for key in _PLACES}):
        if isinstance(value, str) and _is_outside(value):
            raise UnsafeFile(
                f"The card in {source} names {value[:200]!r} in `{key}`, which lies outside the "
                "store. If you trust who made it: --trust; else have it exported again without."
            )


def _values(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is in a card, each with its place, as `options.mmproj`."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _values(one, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for one in value:
            yield from _values(one, key)
    else:
        yield key, value


def _is_outside(text: str) -> bool:
    """Tell whether a text is a path that leaves the folder it is relative to."""
    if "\n" in text:  # a template, a prompt
        return False
    return _OUTSIDE.match(text) is not None or ".." in re.split(r"[/\\]", text)
