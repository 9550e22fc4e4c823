"""Reads `multipart/form-data` from the wire straight to disk.

Parsing is the library `multipart`'s, which takes bytes as they come and has limits of its own.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from starlette.requests import Request

from localai.api.spool import CallFiles, no_room
from localai.errors import BodyTooLarge, InvalidRequest

_MOST_PARTS = 512
_LONGEST_FIELD = 1024 * 1024
_MOST_TEXT = 4 * _LONGEST_FIELD
"""All fields together: they are kept in memory, where files are not."""
_CHARSETS = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252", "utf-16"})
"""As Python calls them; some of its others take minutes for a megabyte."""
_NESTED = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")
_FILE_NAMES = frozenset({"file", "image", "mask"})
"""Parts that are files whatever their heads say: some clients give them no name and no type."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of the form: where it is, and how many bytes it has."""

    path: Path
    size: int


@dataclass(slots=True)
class Form:
    """Fields by name, with `name[]` as a list and `name[key]` as an object; files by name."""

    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, list[UploadedFile]] = field(default_factory=dict)

    def add_field(self, name: str, value: str) -> None:
        """Add a field as OpenAI's clients send lists and objects; a repeated one is a list too."""
        nested = _NESTED.fullmatch(name)
        if nested is None:
            self._add_plain(name, value)
        elif nested[2]:
            inner = self.fields.setdefault(nested[1], {})
            if not isinstance(inner, dict):
                raise _mixed(nested[1])
            if nested[2] in inner:
                raise InvalidRequest(f"The form has '{name}' twice: send it once.", param=name)
            inner[nested[2]] = value
        else:
            several = self.fields.setdefault(nested[1], [])
            if not isinstance(several, list):
                raise _mixed(nested[1])
            several.append(value)

    def _add_plain(self, name: str, value: str) -> None:
        before = self.fields.get(name)
        if isinstance(before, dict):
            raise _mixed(name)
        if before is None:
            self.fields[name] = value
        else:
            self.fields[name] = [*(before if isinstance(before, list) else [before]), value]

    def refuse_other_files(self, *names: str) -> None:
        """Raise InvalidRequest for a file that is called otherwise."""
        for name in self.files:
            if name not in names:
                raise InvalidRequest(
                    f"'{name}' was sent as a file, but only {' and '.join(names)} can be one: "
                    "send it as text, without a file name.",
                    param=name,
                )

    def take_file(self, name: str) -> UploadedFile:
        """Return the one file called `name`; raises InvalidRequest when there is none or more."""
        found = self.files.get(name, [])
        if len(found) == 1:
            return found[0]
        said = "is missing" if not found else f"was sent {len(found)} times"
        raise InvalidRequest(
            f"The file '{name}' {said}: send it once, as a part of multipart/form-data.",
            param=name,
            code="missing_required_parameter" if not found else None,
        )


async def read_form(request: Request, files: CallFiles, most_bytes: int) -> Form:
    """Return the form that `request` carries; its files are written into `files`.

    Raises InvalidRequest for what is no multipart form, BodyTooLarge beyond `most_bytes` and for
    more text than one call can have use for.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise InvalidRequest(
            f"Send multipart/form-data with a boundary, not '{kind or 'no content type'}'."
        )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    reader = _FormReader(files)
    try:
        with PushMultipartParser(options["boundary"], max_segment_count=_MOST_PARTS) as parser:
            await _feed(parser, reader, request, most_bytes)
    except MultipartError as error:
        raise InvalidRequest(f"The form cannot be read: {error}.") from None
    except OSError as error:
        raise no_room(error) from error
    finally:
        reader.close()
    return reader.form


async def _feed(
    parser: PushMultipartParser, reader: _FormReader, request: Request, most_bytes: int
) -> None:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most_bytes:
            raise _too_large(most_bytes)
        if chunk:
            # Disks can be slow, and the loop serves other calls.
            await asyncio.to_thread(_take_all, parser, reader, chunk)


def _take_all(parser: PushMultipartParser, reader: _FormReader, chunk: bytes) -> None:
    for part in parser.parse(chunk):
        reader.take(part)


class _FormReader:
    """Gathers the parser's events: a segment's head, its data, None at its end."""

    def __init__(self, files: CallFiles) -> None:
        self.form = Form()
        self._files = files
        self._segment: MultipartSegment | None = None
        self._text = bytearray()
        self._text_size = 0
        self._file: tuple[Path, BinaryIO] | None = None

    def take(self, event: MultipartSegment | bytearray | bytes | None) -> None:
        if isinstance(event, MultipartSegment):
            self._segment = event
            self._text = bytearray()
            is_file = event.filename is not None or _bare_name(event) in _FILE_NAMES
            self._file = self._files.create() if is_file else None
        elif event is None:
            self._end()
        elif self._file is not None:
            self._file[1].write(event)
        else:
            self._take_text(event)

    def _take_text(self, piece: bytearray | bytes) -> None:
        self._text += piece
        self._text_size += len(piece)
        if len(self._text) > _LONGEST_FIELD:
            raise InvalidRequest("A field of the form is longer than 1 MiB.")
        if self._text_size > _MOST_TEXT:
            raise BodyTooLarge("The fields of the form are longer than 4 MiB together.")

    def close(self) -> None:
        if self._file is not None:
            self._file[1].close()

    def _end(self) -> None:
        segment = self._segment
        assert segment is not None
        if self._file is None:
            self.form.add_field(segment.name or "", _decoded(self._text, segment))
            return
        path, file = self._file
        size = file.tell()
        self.close()
        self.form.files.setdefault(_bare_name(segment), []).append(UploadedFile(path, size))


def _bare_name(segment: MultipartSegment) -> str:
    """Return `image` for `image`, `image[]` and `image[0]`."""
    return (segment.name or "").partition("[")[0]


def _decoded(text: bytearray, segment: MultipartSegment) -> str:
    charset = segment.charset or "utf-8"
    try:
        if codecs.lookup(charset).name not in _CHARSETS:
            raise LookupError(charset)
        return text.decode(charset)
    except (LookupError, ValueError):
        raise InvalidRequest(
            f"The field '{segment.name}' is not text in {charset}: send it in UTF-8.",
            param=segment.name,
        ) from None


def _mixed(name: str) -> InvalidRequest:
    return InvalidRequest(f"The form has '{name}' in two shapes: send one.", param=name)


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The upload is larger than {most / 2**20:g} MiB; raise LOCALAI_MAX_UPLOAD_MIB to allow "
        "more."
    )
