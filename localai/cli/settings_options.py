"""The settings as options of a command, with the names, defaults and texts of `Settings`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from localai.settings import ENV_PREFIX, Settings, displayed_default, load_settings

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_REPEATED = frozenset({"backends", "preload"})


def settings_options(*names: str) -> Callable[[_Decorated], _Decorated]:
    """Add `--config` and an option for each of the settings `names`, all without names given."""

    def decorate(command: _Decorated) -> _Decorated:
        for name in reversed(names or tuple(Settings.model_fields)):
            command = _option(name)(command)
        return _CONFIG(command)

    return decorate


def settings_of(config: Path | None, flags: dict[str, Any]) -> Settings:
    """Return the settings that the options of `settings_options` and all other sources give."""
    # An option that may be repeated is an empty tuple when it was not given.
    return load_settings(config, **{name: None if v == () else v for name, v in flags.items()})


_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help="YAML file with any of these settings"
)


def _option(name: str) -> Callable[[_Decorated], _Decorated]:
    # The values stay text: `Settings` reads them the same way from every source.
    flag, field = name.replace("_", "-"), Settings.model_fields[name]
    default = displayed_default(name)
    shown = f"; default {default}" if default else ""
    text = f"{field.description}  [{ENV_PREFIX}{name.upper()}{shown}]"
    if field.annotation is bool:
        return click.option(f"--{flag}/--no-{flag}", default=None, help=text)
    several = name in _REPEATED
    return click.option(f"--{flag}", multiple=several, metavar="VALUE", help=text)
