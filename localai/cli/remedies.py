"""What a command can do about a card that has the place: those of its own options that mend it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from localai.cards.writing import AnotherCard

_P = ParamSpec("_P")
_T = TypeVar("_T")
_REMEDIES = {"--name": "choose another name with --name", "--force": "replace it with --force"}


def own_remedies(command: Callable[_P, _T]) -> Callable[_P, _T]:
    """Let a command's refusal to overwrite a card name the options that this command has."""

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return command(*args, **kwargs)
        except AnotherCard as error:
            error.message += _remedies(click.get_current_context().command)
            raise

    return run


def _remedies(command: click.Command) -> str:
    options = {name for parameter in command.params for name in parameter.opts}
    return "".join(f", or {text}" for option, text in _REMEDIES.items() if option in options)
