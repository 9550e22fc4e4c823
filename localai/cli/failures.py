"""The one place where an error becomes a sentence on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from localai.cli.terminal import printable
from localai.errors import ConfigError, LocalAIError

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130
DEBUG_VARIABLE = "LOCALAI_DEBUG"
_MAKE_ROOM = (
    "make room on that disk (`localai rm` and `localai prune` remove models), or choose another "
    "place."
)


def run_to_exit_code(command: click.Command, arguments: Sequence[str]) -> int:
    """Run `command` and return its exit code; only LOCALAI_DEBUG=1 lets tracebacks through."""
    try:
        result = command.main(list(arguments), prog_name="localai", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get(DEBUG_VARIABLE) == "1" and not isinstance(error, click.ClickException):
            raise
        return _report(error)
    return result if isinstance(result, int) else 0


def _report(error: BaseException) -> int:
    if isinstance(error, click.ClickException):
        error.show(sys.stderr)
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        click.echo(err=True)
        return INTERRUPTED
    click.echo(f"Error: {printable(_sentence(error))}", err=True)
    return WRONG_USE if isinstance(error, ConfigError) else FAILED


def _sentence(error: BaseException) -> str:
    if isinstance(error, LocalAIError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        from localai.store.room import is_full

        said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        return f"{said}: {_MAKE_ROOM}" if is_full(error) else said
    return f"{type(error).__name__}: {error} (set {DEBUG_VARIABLE}=1 to see where)"
