"""A command of the CLI, run in the test's own process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localai.cli import commands
from localai.cli.failures import run_to_exit_code
from tests.unit.cli.ended import Ended


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    """Run a command, and return how it ended and what it wrote; the log is then as before."""
    with _log_as_before():
        code = run_to_exit_code(commands, arguments)
    return Ended(code, *capsys.readouterr())


@contextmanager
def _log_as_before() -> Iterator[None]:
    # What writes to stderr writes to that of this one test, which is closed after it.
    before = {logger: (logger.level, list(logger.handlers)) for logger in _loggers()}
    try:
        yield
    finally:
        for logger in _loggers():
            level, handlers = before.get(logger, (logger.level, []))
            logger.setLevel(level)
            for handler in set(logger.handlers) - set(handlers):
                logger.removeHandler(handler)
            for handler in handlers:
                logger.addHandler(handler)


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(one for one in known if isinstance(one, logging.Logger))]
