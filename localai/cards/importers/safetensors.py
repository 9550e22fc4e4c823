"""The header of a safetensors file: names and shapes of its tensors.

Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from localai.cards.importers.imported import CannotImport

_LARGEST_READ = 32 << 20
"""Headers of the largest known models have a few MiB."""


@dataclass(frozen=True)
class SafetensorsHeader:
    """What a safetensors file holds."""

    tensors: dict[str, tuple[int, ...]]
    """Shape of each tensor."""
    metadata: dict[str, str]


def read_safetensors_header(path: Path) -> SafetensorsHeader:
    """Read the header of `path`; raises CannotImport for what is no whole safetensors file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _LARGEST_READ):
                raise _broken(path, f"its header would have {length} bytes of {size}")
            content = json.loads(file.read(length))
    except OSError as error:
        raise CannotImport(f"cannot be read: {error.strerror}.", path=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise _broken(path, "its header is no JSON") from error
    return _header(path, content, size - 8 - length)


def _header(path: Path, content: object, room: int) -> SafetensorsHeader:
    if not isinstance(content, dict):
        raise _broken(path, "its header is no object")
    metadata = content.pop("__metadata__", {})
    tensors: dict[str, tuple[int, ...]] = {}
    for name, entry in content.items():
        try:
            tensors[name] = tuple(_whole(one) for one in entry["shape"])
            start, end = (_whole(one) for one in entry["data_offsets"])
        except (KeyError, TypeError, ValueError) as error:
            raise _broken(path, f"the entry of '{name}' has no shape or place") from error
        if end < start:
            raise _broken(path, f"'{name}' ends before it starts")
        if end > room:
            raise _broken(path, f"'{name}' ends {end - room} bytes behind the file")
    return SafetensorsHeader(tensors, metadata if isinstance(metadata, dict) else {})


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _broken(path: Path, reason: str) -> CannotImport:
    return CannotImport(
        f"is damaged, cut off or no safetensors file: {reason}. Download it again.", path=str(path)
    )
