"""Log lines of the gateway: one line a record, on stderr."""

from __future__ import annotations

import logging
import sys

from localai.cli.terminal import on_one_line

_CHATTY = ("uvicorn.error", "uvicorn.access", "asyncio", "httpx2", "httpcore2")


class OneLine(logging.Formatter):
    """Keeps a record on one line, so that no input can forge a second one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return on_one_line(super().format(record))


def configure_logging(level: str) -> None:
    """Send records of `level` and above to stderr; libraries only speak up when it matters."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        for name in _CHATTY:
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))
