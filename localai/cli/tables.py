"""Plain text tables and the spellings of values in them."""

from __future__ import annotations

from collections.abc import Sequence

from localai.amounts import shown_bytes
from localai.cli.terminal import on_one_line


def render_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return `rows` below `headings`, in columns as wide as their widest cell."""
    lines = [[on_one_line(cell) for cell in line] for line in (headings, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def render_bytes(count: int | None) -> str:
    """Return `1.5 GB` for a number of bytes, `-` for None."""
    return "-" if count is None else shown_bytes(count)


def render_some(names: Sequence[str], most: int = 3) -> str:
    """Return the first `most` names and how many more there are, `-` for none."""
    if not names:
        return "-"
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" +{rest}" if rest > 0 else "")
