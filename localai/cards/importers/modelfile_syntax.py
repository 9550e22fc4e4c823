"""The grammar of Ollama's Modelfiles.

Source: https://github.com/ollama/ollama/blob/main/docs/modelfile.mdx; messages of errors are
Ollama's own, since people look for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from localai.cards.importers.imported import CannotImport

LARGEST = 8 << 20
"""Bytes; licences make Modelfiles long."""
_INSTRUCTIONS = (
    "from", "license", "template", "system", "adapter", "draft", "renderer", "parser",
    "parameter", "message", "requires",
)  # fmt: skip
_UNKNOWN = (
    'command must be one of "from", "license", "template", "system", "adapter", "draft", '
    '"renderer", "parser", "parameter", "message", or "requires"'
)
_COMMENTED = re.compile(r"^#[ \t]*FROM[ \t]+(\S+)[ \t]*\r?$", re.MULTILINE)
_ROLES = ("system", "user", "assistant")
_ROLE = 'message role must be one of "system", "user", or "assistant"'
_QUOTES = ('"""', '"')


@dataclass(frozen=True)
class Command:
    """One instruction: `name` in small letters; `key` is a parameter's name or a message's role."""

    name: str
    value: str
    key: str = ""
    line: int = 0


def read_modelfile(path: Path) -> list[Command]:
    """Return the instructions of a file; raises CannotImport."""
    return parse_modelfile(_text(path), path)


def model_in_comment(path: Path) -> str | None:
    """Return what the model is called of a file that `ollama show --modelfile` wrote.

    There, FROM names the file of the weights by its hash, and a comment the model.
    """
    found = _COMMENTED.search(_text(path))
    return found[1] if found else None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise CannotImport(f"cannot be read: {error.strerror}.", path=str(path)) from error
    if len(content) > LARGEST:
        raise CannotImport("is larger than 8 MiB: this is no Modelfile.", path=str(path))
    return _decoded(content, path)


def _decoded(content: bytes, path: Path) -> str:
    is_wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotImport("is not UTF-8 text.", path=str(path)) from error


def parse_modelfile(text: str, path: Path) -> list[Command]:
    """Return the instructions of `text`, read from `path`; raises CannotImport."""
    lines = text.replace("\r\n", "\n").split("\n")
    found: list[Command] = []
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if not line or line.startswith("#"):
            at += 1
            continue
        command, at = _command(lines, at, path)
        found.append(command)
    if not any(command.name == "from" for command in found):
        raise CannotImport("no FROM line", path=str(path))
    return found


def _command(lines: list[str], at: int, path: Path) -> tuple[Command, int]:
    """Return the instruction that begins in a line, and the line behind it."""
    word, _, rest = lines[at].strip().replace("\t", " ", 1).partition(" ")
    name, number = word.lower(), at + 1
    if name not in _INSTRUCTIONS:
        raise CannotImport(f"(line {number}): {_UNKNOWN}", path=str(path))
    key = ""
    if name in ("parameter", "message"):
        key, _, rest = rest.strip().replace("\t", " ", 1).partition(" ")
    if name == "message" and key.lower() not in _ROLES:
        raise CannotImport(f"(line {number}): {_ROLE}", path=str(path))
    value, after = _value(rest.strip(), lines, at, path)
    if not value and name != "system":
        raise CannotImport(f"(line {number}): unexpected EOF", path=str(path))
    return Command(name, value, key.lower(), number), after


def _value(start: str, lines: list[str], at: int, path: Path) -> tuple[str, int]:
    """Return a value, which in quotes may go over many lines, and the line behind it."""
    quote = next((mark for mark in _QUOTES if start.startswith(mark)), None)
    if quote is None:
        return start, at + 1
    first = _indented(lines[at], start)
    text = first
    end = at + 1
    while not _is_closed(text, quote):
        if end == len(lines):
            raise CannotImport(f"(line {at + 1}): unexpected EOF", path=str(path))
        text += f"\n{lines[end]}"
        end += 1
    return text.rstrip()[len(quote) : -len(quote)], end


def _indented(line: str, start: str) -> str:
    """Return `start` with the blanks at the end of its line, which belong to an open quote."""
    return line[line.index(start) :] if start in line else start


def _is_closed(text: str, quote: str) -> bool:
    stripped = text.rstrip()
    return len(stripped) >= 2 * len(quote) and stripped.endswith(quote)
