"""llama.cpp's log lines: warnings and errors to Python's logging, errors kept for load failures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llama_cpp
from llama_cpp import mtmd_cpp

log = logging.getLogger("llama.cpp")

_LEVELS = {3: logging.WARNING, 4: logging.ERROR}
"""By `enum ggml_log_level`; all else is DEBUG, for its INFO tells every key and tensor."""
_CONTINUED = 5
_MISLEADING = ("possible training context overflow",)
"""Said of the tokens of all sequences together, where the model minds those of one."""


class _LogReader:
    """Receives llama.cpp's lines on whatever thread they come from."""

    def __init__(self) -> None:
        self._level = logging.DEBUG
        self.collected: list[str] | None = None

    def receive(self, level: int, text: bytes, user_data: Any) -> None:
        # A line that continues the one before has its level.
        if level != _CONTINUED:
            self._level = _LEVELS.get(level, logging.DEBUG)
        line = text.decode("utf-8", "replace").strip()
        if not line.strip(".") or line.endswith(_MISLEADING):
            return
        log.log(self._level, "%s", line)
        if self.collected is not None and self._level >= logging.ERROR:
            self.collected.append(line)


_reader = _LogReader()
# ctypes callbacks must live as long as the library may call them.
_callback = llama_cpp.llama_log_callback(_reader.receive)


def route_logs() -> None:
    """Send llama.cpp's log lines to the logger `llama.cpp` from now on."""
    llama_cpp.llama_log_set(_callback, None)
    mtmd_cpp.mtmd_helper_log_set(_callback, None)


@contextmanager
def collected_errors() -> Iterator[list[str]]:
    """Collect the error lines that llama.cpp writes meanwhile."""
    lines: list[str] = []
    _reader.collected = lines
    try:
        yield lines
    finally:
        _reader.collected = None
