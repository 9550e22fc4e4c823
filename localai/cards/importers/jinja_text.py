"""Writes Jinja templates whose text comes out to the letter, however blanks at tags are treated."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_SPECIAL = re.compile(r"\{\{|\{%|\{#|%\}|\}\}|#\}|\r|[\x00-\x08\x0b\x0c\x0e-\x1f\x85\u2028\u2029]")
_PARTS = re.compile(r"(?P<head>\n*)(?P<middle>.*?)(?P<tail>[ \t\n]*)", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """A part of a template: text, `{{ expression }}` or `{% tag %}`."""

    kind: Literal["text", "expression", "tag"]
    text: str


def quoted(text: str) -> str:
    """Return `text` as a literal of Jinja's."""
    return json.dumps(text, ensure_ascii=False)


def write_jinja(pieces: Sequence[Piece]) -> str:
    """Return the template's text.

    Newlines and blanks beside tags, and at the end, are written as expressions, since Jinja's
    options decide what becomes of plain ones.
    """
    joined = _joined(pieces)
    followers = [*(piece.kind for piece in joined[1:]), "text"]
    return "".join(
        # A line for each tag where nothing stands between two; the dash takes the newline away.
        f"{{% {piece.text} -%}}\n" if piece.kind == follower == "tag" else _written(piece)
        for piece, follower in zip(joined, followers, strict=False)
    )


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    found: list[Piece] = []
    for piece in pieces:
        if piece.kind == "text" and found and found[-1].kind == "text":
            found[-1] = Piece("text", found[-1].text + piece.text)
        elif piece.text:
            found.append(piece)
    return found


def _written(piece: Piece) -> str:
    if piece.kind == "tag":
        return f"{{% {piece.text} %}}"
    if piece.kind == "expression":
        return f"{{{{ {piece.text} }}}}"
    if _SPECIAL.search(piece.text) or piece.text.rstrip().endswith("{"):
        return _literal(piece.text)
    parts = _PARTS.fullmatch(piece.text)
    if parts is None:  # cannot be: each part may be empty
        return _literal(piece.text)
    return _literal(parts["head"]) + parts["middle"] + _literal(parts["tail"])


def _literal(text: str) -> str:
    return f"{{{{ {quoted(text)} }}}}" if text else ""
