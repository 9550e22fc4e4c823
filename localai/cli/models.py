"""`localai models list` and `localai models show`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from localai.cli.client import Gateway, model_path, url_option
from localai.cli.hinting_group import HintingGroup
from localai.cli.tables import render_some, render_table

_HEADINGS = ("NAME", "BACKEND", "CAPABILITIES", "DEFAULT FOR", "ALIASES", "STATE")
_SHOWN = (
    "description",
    "backend",
    "capabilities",
    "input_modalities",
    "output_modalities",
    "default_for",
    "aliases",
    "state",
    "fallback",
    "path",
)


@click.group("models", cls=HintingGroup)
def models_command() -> None:
    """Show the models of a running gateway."""


@models_command.command("list")
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print the gateway's answer as it is")
def list_models(url: str, as_json: bool) -> None:
    """List all models, and the cards that are broken."""
    answer = Gateway(url).get("/v1/models?view=admin")
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(render_table(_HEADINGS, [_row(model) for model in answer["data"]]))
    for broken in answer.get("errors", []):
        click.echo(f"broken: {_place(broken)}: {broken['message']}", err=True)


@models_command.command("show")
@click.argument("name")
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print the gateway's answer as it is")
def show_model(name: str, url: str, as_json: bool) -> None:
    """Show all that is known about the model NAME."""
    model = Gateway(url).get(f"/v1/models/{model_path(name)}?view=admin")
    if as_json:
        click.echo(json.dumps(model, indent=2))
        return
    click.echo(model["id"])
    for key in _SHOWN:
        if model.get(key):
            click.echo(f"  {key.replace('_', ' ')}: {_joined(model[key])}")
    if model.get("is_here") is False:
        click.echo(f"  files: {_not_here(model)}")


def _row(model: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(model["id"]),
        str(model.get("backend") or "-"),
        _joined(model.get("capabilities") or "-"),
        _joined(model.get("default_for") or "-"),
        render_some(model.get("aliases") or ()),
        _state(model),
    )


def _state(model: Mapping[str, Any]) -> str:
    state = str(model.get("state") or "-")
    return state if model.get("is_here", True) else _not_here(model)


def _not_here(model: Mapping[str, Any]) -> str:
    """Tell that the model's files are missing, and who answers meanwhile."""
    fallback = model.get("fallback")
    return f"not here yet, {fallback} answers" if fallback else "not here yet"


def _joined(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _place(broken: Mapping[str, Any]) -> str:
    path, line = broken["path"], broken.get("line")
    return f"{path}:{line}" if line else str(path)
