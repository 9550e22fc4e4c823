"""The command line: `localai run`, `chat`, `models` and the rest, one module a command."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from localai import __version__
from localai.cli.failures import run_to_exit_code
from localai.cli.hinting_group import HintingGroup

_COMMANDS = (
    "run", "chat", "transcribe", "say", "draw", "embed", "models", "ps", "stop", "pull",
    "list", "show", "rm", "cp", "prune", "df", "export", "import",
    "card", "search", "install", "gallery", "doctor", "version",
)  # fmt: skip
_MODULES = {"import": "import_model"}
"""Where the module cannot be called as its command."""


class _CommandGroup(HintingGroup):
    """Imports a command's module when the command is asked for, so that others start quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS]  # `list` is a module of this package once it was imported

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"localai.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command = getattr(module, f"{cmd_name}_command")
        return command if isinstance(command, click.Command) else None


@click.group(cls=_CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="localai")
def commands() -> None:
    """An OpenAI drop-in that runs on your own machine."""


def main() -> None:
    """Run the command that the arguments name and end the process with its exit code."""
    sys.exit(run_to_exit_code(commands, sys.argv[1:]))
