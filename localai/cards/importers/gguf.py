"""The header of a GGUF file: its metadata and the names of its tensors, never their numbers.

Strings and lists are skipped unless somebody asks for them, and every count is checked against the
bytes that are left, so that a broken file is refused at once and costs no memory.
Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Literal

from localai.cards.importers.first_bytes import GGUF_MAGIC, HEAD, name_format
from localai.cards.importers.imported import CannotImport

Value = str | int | float | bool

LONGEST_TEXT = 1 << 20
"""Bytes of a text that is kept; templates have a few thousand."""
MOST_TEXT = 16 << 20
"""Bytes of all texts that are kept."""
MOST_LISTED = 8 << 20
"""Texts in all lists together; large vocabularies and their merges have under a million."""
MOST_KEYS = 1 << 16
MOST_TENSORS = 1 << 20
_LONGEST_KEY = 1 << 16
_SHORTEST_PAIR = 8 + 4 + 1
"""Bytes of a key without letters, a type and the smallest value."""
_SHORTEST_TENSOR = 8 + 4 + 4 + 8
_MOST_DIMENSIONS = 8
_DEEPEST = 4

_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_TEXT, _LIST = 8, 9

_ALIGNMENT = 32
"""Bytes whose multiple the numbers begin at, where the file does not say."""
TENSOR_TYPES = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9:
    (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1,
    8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40:
    (64, 36), 41: (128, 18),
}  # fmt: skip
"""Numbers in a block of each type of tensor, and the bytes of a block."""

FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4", 39: "NVFP4",
}  # fmt: skip
"""llama.cpp's names of `general.file_type`."""
POOLINGS = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says about itself."""

    path: Path
    version: int
    metadata: Mapping[str, Value]
    """Texts and numbers; lists are left out, and so are texts above LONGEST_TEXT."""
    byte_order: Literal["little", "big"] = "little"
    """In which order the file keeps the bytes of a number."""

    def text(self, key: str) -> str:
        """Return a text, empty where the file has none."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int | None:
        """Return a whole number of the model's own architecture, as `context_length`."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def architecture(self) -> str:
        """Return `llama`, `bert`, `clip`, …; empty where the file does not say."""
        return self.text("general.architecture")

    @property
    def kind(self) -> str:
        """Return `model`, `adapter`, `mmproj` or what else the file calls itself."""
        return self.text("general.type") or "model"

    @property
    def name(self) -> str:
        """Return the model's name for people."""
        return self.text("general.name")

    @property
    def context_length(self) -> int | None:
        """Return the tokens that the model was trained for."""
        return self.number("context_length")

    @property
    def embedding_length(self) -> int | None:
        """Return the width of the model."""
        return self.number("embedding_length")

    @property
    def chat_template(self) -> str | None:
        """Return the Jinja template."""
        return self.text("tokenizer.chat_template") or None

    @property
    def pooling(self) -> str | None:
        """Return how token vectors become one, None where the file does not say."""
        number = self.number("pooling_type")
        return None if number is None else POOLINGS.get(number, str(number))

    @property
    def file_type(self) -> str:
        """Return the quantisation, as `Q4_K_M`; empty where the file does not say."""
        number = self.metadata.get("general.file_type")
        return FILE_TYPES.get(number, "") if isinstance(number, int) else ""

    @property
    def projector_type(self) -> str:
        """Return which projector a `clip` file holds, as `qwen2vl_merger`."""
        keys = ("clip.projector_type", "clip.vision.projector_type", "clip.audio.projector_type")
        return next((self.text(key) for key in keys if self.text(key)), "")

    @property
    def split_count(self) -> int:
        """Return in how many files the model lies."""
        value = self.metadata.get("split.count")
        return value if isinstance(value, int) and value > 0 else 1

    @property
    def split_number(self) -> int:
        """Return which of these files this is, from 0."""
        value = self.metadata.get("split.no")
        return value if isinstance(value, int) else 0


def read_gguf_header(path: Path) -> GgufHeader:
    """Read the metadata of `path`; raises CannotImport for what is no whole GGUF file."""
    if path.exists() and not path.is_file():
        # A named pipe could keep its reader waiting for ever.
        raise CannotImport("is no plain file.", path=str(path))
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            return _Reader(path, file, size).header()
    except OSError as error:
        raise CannotImport(f"cannot be read: {error.strerror}.", path=str(path)) from error


class _Reader:
    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path, self._file, self._left = path, file, size
        self._order = "<"
        self._text_left, self._listed_left = MOST_TEXT, MOST_LISTED

    def header(self) -> GgufHeader:
        self._check_magic()
        version = self._version()
        tensors = self._count(_SHORTEST_TENSOR, MOST_TENSORS, "tensors")
        pairs = self._count(_SHORTEST_PAIR, MOST_KEYS, "metadata keys")
        metadata: dict[str, Value] = {}
        for _ in range(pairs):
            key = self._text(_LONGEST_KEY, "key")
            value = self._value(self._number("I"), key or "")
            if key and value is not None:
                metadata[key] = value
        self._check_tensors(tensors, metadata)
        order: Literal["little", "big"] = "little" if self._order == "<" else "big"
        return GgufHeader(self._path, version, metadata, order)

    def _check_magic(self) -> None:
        head = self._file.read(HEAD)
        if not head.startswith(GGUF_MAGIC):
            raise self._broken(f"is not a GGUF model: it is {name_format(head)}.")
        self._file.seek(len(GGUF_MAGIC))
        self._left -= len(GGUF_MAGIC)

    def _version(self) -> int:
        raw = self._bytes(4)
        little = int.from_bytes(raw, "little")
        version = little
        if little > 0xFFFF:  # written for a processor of the other byte order
            self._order, version = ">", int.from_bytes(raw, "big")
        if version not in (2, 3):
            raise self._broken(
                f"is GGUF of version {version}, and only 2 and 3 are known: get a newer file."
            )
        return version

    def _check_tensors(self, count: int, metadata: Mapping[str, Value]) -> None:
        """Walk over the tensors' names, and check that all their numbers can be in the file."""
        end = 0
        for _ in range(count):
            self._text(_LONGEST_KEY, "tensor's name")
            dimensions = self._number("I")
            if dimensions > _MOST_DIMENSIONS:
                raise self._broken(f"is damaged: a tensor with {dimensions} dimensions.")
            values = prod(self._number("Q") for _ in range(dimensions))
            # Of a type that is not known here, no more than a byte is sure.
            block, width = TENSOR_TYPES.get(self._number("I"), (max(values, 1), 1))
            end = max(end, self._number("Q") + values // block * width)
        alignment = metadata.get("general.alignment", _ALIGNMENT)
        if isinstance(alignment, int) and alignment > 0:
            end += -self._file.tell() % alignment
        if count and end > self._left:
            raise self._broken(
                f"is cut off: {end - self._left} bytes are missing at its end. Download it again."
            )

    def _value(self, kind: int, key: str, depth: int = 0) -> Value | None:
        if kind in _SCALARS:
            number: int | float | bool = self._number(_SCALARS[kind])
            return number
        if kind == _TEXT:
            return self._text(LONGEST_TEXT, f"value of '{key}'")
        if kind == _LIST and depth < _DEEPEST:
            self._skip_list(key, depth)
            return None
        raise self._broken(f"is damaged: '{key}' has a value of the unknown type {kind}.")

    def _skip_list(self, key: str, depth: int) -> None:
        kind = self._number("I")
        if kind in _SCALARS:
            width = struct.calcsize(f"<{_SCALARS[kind]}")
            self._skip(self._count(width, None, f"values in '{key}'") * width)
            return
        shortest = 8 if kind == _TEXT else 12
        count = self._count(shortest, self._listed_left, f"values in '{key}'")
        self._listed_left -= count
        if kind == _TEXT:
            self._skip_texts(count)
            return
        for _ in range(count):
            self._value(kind, key, depth + 1)

    def _skip_texts(self, count: int) -> None:
        # A loop of its own, as vocabularies have hundreds of thousands.
        read, seek = self._file.read, self._file.seek
        order: Literal["little", "big"] = "little" if self._order == "<" else "big"
        left = self._left
        for _ in range(count):
            length = int.from_bytes(read(8), order)
            left -= 8 + length
            if left < 0:
                raise self._broken("is cut off in its header: download it again.")
            seek(length, 1)
        self._left = left

    def _count(self, width: int, most: int | None, what: str) -> int:
        count: int = self._number("Q")
        if count * width > self._left or (most is not None and count > most):
            raise self._broken(
                f"is damaged or cut off: it claims {count} {what}, and {self._left} bytes are left."
            )
        return count

    def _text(self, longest: int, what: str) -> str | None:
        length = self._number("Q")
        if length > self._left:
            raise self._broken(
                f"is damaged or cut off: a {what} of {length} bytes, and {self._left} are left."
            )
        if length > min(longest, self._text_left):
            self._skip(length)
            return None
        self._text_left -= length
        return self._bytes(length).decode("utf-8", "replace")

    def _number(self, code: str) -> Any:
        return struct.unpack(self._order + code, self._bytes(struct.calcsize(f"<{code}")))[0]

    def _bytes(self, length: int) -> bytes:
        content = self._file.read(length)
        if len(content) < length:
            raise self._broken("is cut off in its header: download it again.")
        self._left -= length
        return content

    def _skip(self, length: int) -> None:
        if length > self._left:
            raise self._broken("is cut off in its header: download it again.")
        self._file.seek(length, 1)
        self._left -= length

    def _broken(self, message: str) -> CannotImport:
        return CannotImport(message, path=str(self._path))
