"""Files and folders that others use at the same time, and how their paths are compared."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def replace_text(target: Path, text: str, mode: int = 0o666) -> None:
    """Write a file at once: who reads it meanwhile finds the old text or the new one.

    `mode` are the rights of a file that others may not see, less what the umask takes away.
    """
    owner = f"{os.getpid()}-{threading.get_ident()}"
    part = target.with_name(f".{target.name}.{owner}.part")
    part.unlink(missing_ok=True)  # of a process that was killed, with other rights perhaps
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def remove_empty_folders(folder: Path, end: Path) -> None:
    """Remove `folder` and those above it that are empty, up to `end`, which stays."""
    while folder != end and end in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def place_of(path: Path) -> Path:
    """Return an absolute path without links in its folders; a file that is a link stays itself.

    So a store that is reached by a link, or by `..`, has the same files as by its own path, and
    what it links from another disk is its own.
    """
    absolute = path.absolute()
    if absolute.name in {"", ".."}:
        return absolute.resolve()
    return absolute.parent.resolve() / absolute.name
