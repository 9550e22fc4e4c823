"""Where a file lies, in the one spelling that can be compared."""

from __future__ import annotations

from pathlib import Path


def place_of(path: Path) -> Path:
    """Return an absolute path without links in its folders; a file that is a link stays itself.

    So a store that is reached by a link, or by `..`, has the same files as by its own path.
    """
    absolute = path.absolute()
    if absolute.name in {"", ".."}:
        return absolute.resolve()
    return absolute.parent.resolve() / absolute.name
