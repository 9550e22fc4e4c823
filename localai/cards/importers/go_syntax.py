"""Go's text/template: from text to a tree.

Source: https://pkg.go.dev/text/template
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from localai.errors import LocalAIError


class UntranslatableTemplate(LocalAIError):
    """A Go template, or a construct in it, that has no Jinja form here."""

    default_code = "untranslatable_template"

    def __init__(self, reason: str, *, construct: str, line: int) -> None:
        self.construct, self.line = construct, line
        super().__init__(f"line {line}: {reason}: {construct}")


@dataclass(frozen=True)
class Literal:
    """A text, number, true, false or nil."""

    value: str | int | float | bool | None


@dataclass(frozen=True)
class Name:
    """A function's name."""

    name: str


@dataclass(frozen=True)
class Reference:
    """`.Field.Field`, `$variable.Field`, `$`, `.` or `(pipe).Field`."""

    start: str | Pipe
    """`.` for dot, `$` for the root, `$name` for a variable, or a pipe in brackets."""
    fields: tuple[str, ...] = ()


Operand = Literal | Name | Reference


@dataclass(frozen=True)
class Pipe:
    """Commands, each fed with what the one before it gave; the names that keep the last value."""

    commands: tuple[tuple[Operand, ...], ...]
    names: tuple[str, ...] = ()
    assigns: bool = False
    """Whether the names are there already: `=` in place of `:=`."""


@dataclass(frozen=True)
class Text:
    """What is written as it stands."""

    text: str


@dataclass(frozen=True)
class Action:
    """A value that is written, or kept under a name."""

    pipe: Pipe
    line: int
    source: str


@dataclass(frozen=True)
class Block:
    """`if`, `range` or `with`, up to its `end`."""

    kind: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    line: int
    source: str


@dataclass(frozen=True)
class Jump:
    """`break` or `continue`."""

    kind: str


Node = Text | Action | Block | Jump

_SKIPPED = re.compile(r"""[^"`}]+|"(?:\\.|[^"\\\n])*"|`[^`]*`""")
"""What cannot hold the end of an action."""
_BLANK = " \t\r\n"
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>"(?:\\.|[^"\\\n])*"|`[^`]*`)
      | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<variable>\$\w*)
      | (?P<field>\.[^\W\d]\w*)
      | (?P<word>[^\W\d]\w*)
      | (?P<sign>:=|=|\||\(|\)|,|\.)""",
    re.VERBOSE,
)
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_OPENING = frozenset({"if", "range", "with"})
_LARGEST = 256 << 10
_DEEPEST = 40


@dataclass(frozen=True)
class _Piece:
    """A text, or the inside of an action."""

    text: str
    line: int
    is_action: bool


def parse_template(source: str) -> tuple[Node, ...]:
    """Return the tree of `source`; raises UntranslatableTemplate."""
    if len(source) > _LARGEST:
        raise UntranslatableTemplate("is longer than 256 KiB", construct=source[:20], line=1)
    pieces = list(_pieces(source))
    nodes, ended_by = _Tree(pieces).nodes(0)
    if ended_by:
        raise UntranslatableTemplate("nothing is open here", construct=ended_by, line=1)
    return nodes


def _pieces(source: str) -> Iterator[_Piece]:
    position, line, trims = 0, 1, False
    while (start := source.find("{{", position)) >= 0:
        text, line = source[position:start], line + source.count("\n", position, start)
        end = _end_of_action(source, start, line)
        inside, trims_left, trims_right = _inside(source[start + 2 : end])
        yield from _text_piece(text, line, trims, trims_left)
        if not inside.startswith("/*"):
            yield _Piece(inside, line, True)
        trims, position = trims_right, end + 2
        line += source.count("\n", start, position)
    yield from _text_piece(source[position:], line, trims, False)


def _end_of_action(source: str, start: int, line: int) -> int:
    """Return where the `}}` of the action at `start` is."""
    position = start + 2
    if source[position:].lstrip("- \t\n").startswith("/*"):
        position = max(source.find("*/", position), start)
    while position < len(source):
        if source.startswith("}}", position):
            return position
        skipped = _SKIPPED.match(source, position)
        position = skipped.end() if skipped else position + 1
    raise UntranslatableTemplate(
        "an action that does not end", construct=source[start : start + 40], line=line
    )


def _inside(action: str) -> tuple[str, bool, bool]:
    """Return an action without its marks for trimming, and which of them it had."""
    left = action[:1] == "-" and action[1:2] in tuple(_BLANK)
    right = action[-1:] == "-" and action[-2:-1] in tuple(_BLANK)
    end = len(action) - right
    return action[int(left) : end].strip(), left, right


def _text_piece(text: str, line: int, left: bool, right: bool) -> Iterator[_Piece]:
    text = text.lstrip(_BLANK) if left else text
    text = text.rstrip(_BLANK) if right else text
    if text:
        yield _Piece(text, line, False)


class _Tree:
    def __init__(self, pieces: list[_Piece]) -> None:
        self._pieces, self._at = pieces, 0

    def nodes(self, depth: int) -> tuple[tuple[Node, ...], str]:
        """Return nodes up to an `end` or `else`, and that action; empty at the template's end."""
        found: list[Node] = []
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            self._at += 1
            if not piece.is_action:
                found.append(Text(piece.text))
                continue
            word = piece.text.split(None, 1)[0] if piece.text else ""
            if word in ("end", "else"):
                return tuple(found), piece.text
            found.append(self._action(piece, word, depth))
        return tuple(found), ""

    def _action(self, piece: _Piece, word: str, depth: int) -> Node:
        if depth > _DEEPEST:
            raise UntranslatableTemplate("nested too deeply", construct=piece.text, line=piece.line)
        if word in _OPENING:
            return self._block(piece, word, piece.text[len(word) :], depth)
        if word in ("break", "continue"):
            return Jump(word)
        if word in ("define", "template", "block"):
            raise UntranslatableTemplate(
                "templates inside templates have no Jinja form here",
                construct=piece.text, line=piece.line,
            )  # fmt: skip
        return Action(_Expression(piece.text, piece).pipe_to_end(), piece.line, piece.text)

    def _block(self, piece: _Piece, kind: str, head: str, depth: int) -> Block:
        pipe = _Expression(head, piece).pipe_to_end(ranges=kind == "range")
        body, ended_by = self.nodes(depth + 1)
        otherwise: tuple[Node, ...] = ()
        if ended_by.startswith("else"):
            otherwise, ended_by = self._otherwise(piece, ended_by.split(None, 1)[1:], depth)
        if ended_by != "end":
            raise UntranslatableTemplate("has no end", construct=piece.text, line=piece.line)
        return Block(kind, pipe, body, otherwise, piece.line, piece.text)

    def _otherwise(
        self, piece: _Piece, rest: list[str], depth: int
    ) -> tuple[tuple[Node, ...], str]:
        if not rest:
            return self.nodes(depth + 1)
        kind, _, head = rest[0].partition(" ")
        if kind not in ("if", "with"):
            raise UntranslatableTemplate(
                "no such branch", construct=f"else {rest[0]}", line=piece.line
            )
        here = self._pieces[self._at - 1]
        # The inner block takes the one `end` of both.
        return (self._block(here, kind, head, depth + 1),), "end"


class _Expression:
    def __init__(self, text: str, piece: _Piece) -> None:
        self._text, self._piece = text, piece
        self._tokens = list(self._read())
        self._at = 0

    def pipe_to_end(self, *, ranges: bool = False) -> Pipe:
        """Return the whole text as one pipe."""
        names, assigns = self._names(ranges)
        pipe = self._pipe(0)
        if self._at < len(self._tokens):
            raise self._wrong(f"'{self._tokens[self._at][1]}' is not expected")
        return Pipe(pipe.commands, names, assigns)

    def _read(self) -> Iterator[tuple[str, str]]:
        position = 0
        while position < len(self._text):
            match = _TOKEN.match(self._text, position)
            if match is None:
                raise self._wrong(f"'{self._text[position]}' cannot be read")
            position = match.end()
            yield str(match.lastgroup), match[0]

    def _names(self, ranges: bool) -> tuple[tuple[str, ...], bool]:
        plain = [token for token in self._tokens if token[0] != "space"]
        count = 2 if ranges and [t[1] for t in plain[1:2]] == [","] else 1
        head = plain[: 2 * count]
        if not head or head[-1][1] not in (":=", "="):
            return (), False
        self._tokens = self._tokens[self._tokens.index(head[-1]) + 1 :]
        return tuple(text for kind, text in head if kind == "variable"), head[-1][1] == "="

    def _pipe(self, depth: int) -> Pipe:
        if depth > _DEEPEST:
            raise self._wrong("nested too deeply")
        commands = [self._command(depth)]
        while self._take("|"):
            commands.append(self._command(depth))
        return Pipe(tuple(commands))

    def _command(self, depth: int) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while True:
            self._skip_space()
            if self._at == len(self._tokens) or self._tokens[self._at][1] in ("|", ")"):
                break
            operands.append(self._operand(depth))
        if not operands:
            raise self._wrong("a value is missing")
        return tuple(operands)

    def _operand(self, depth: int) -> Operand:
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "text":
            return Literal(_unquoted(text))
        if kind == "number":
            return Literal(float(text) if re.search("[.eE]", text) else int(text))
        if kind == "word":
            return Literal(_CONSTANTS[text]) if text in _CONSTANTS else Name(text)
        if kind == "variable":
            return Reference(text, self._fields())
        if kind == "field":
            return Reference(".", (text[1:], *self._fields()))
        if text == ".":
            return Reference(".", self._fields())
        if text == "(":
            pipe = self._pipe(depth + 1)
            if not self._take(")"):
                raise self._wrong("a bracket stays open")
            return Reference(pipe, self._fields())
        raise self._wrong(f"'{text}' is not expected")

    def _fields(self) -> tuple[str, ...]:
        found: list[str] = []
        while self._at < len(self._tokens) and self._tokens[self._at][0] == "field":
            found.append(self._tokens[self._at][1][1:])
            self._at += 1
        return tuple(found)

    def _take(self, sign: str) -> bool:
        self._skip_space()
        if self._at < len(self._tokens) and self._tokens[self._at][1] == sign:
            self._at += 1
            return True
        return False

    def _skip_space(self) -> None:
        while self._at < len(self._tokens) and self._tokens[self._at][0] == "space":
            self._at += 1

    def _wrong(self, reason: str) -> UntranslatableTemplate:
        return UntranslatableTemplate(reason, construct=self._piece.text, line=self._piece.line)


def _unquoted(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    try:
        # Go's escapes are JSON's and a few of C's.
        return str(json.loads(text))
    except ValueError:
        return text[1:-1].encode("latin-1", "backslashreplace").decode("unicode-escape")
