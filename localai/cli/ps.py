"""`localai ps`: the workers of a running gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from localai.cli.client import Gateway, url_option
from localai.cli.tables import render_bytes, render_table
from localai.cli.terminal import printable
from localai.durations import format_duration

_HEADINGS = ("MODEL", "STATE", "PID", "RUNNING", "WAITING", "MEMORY", "IDLE", "UNLOADS IN")


@click.command("ps")
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print the gateway's answer as it is")
def ps_command(url: str, as_json: bool) -> None:
    """List the models that are loaded."""
    answer = Gateway(url).get("/admin/workers")
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(render_table(_HEADINGS, [_row(worker) for worker in answer["data"]]))
    for worker in answer["data"]:
        if worker.get("error"):
            click.echo(printable(f"{worker['model']}: {worker['error']}"), err=True)


def _row(worker: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(worker["model"]),
        str(worker["state"]),
        str(worker.get("pid") or "-"),
        str(worker.get("running", 0)),
        str(worker.get("waiting", 0)),
        render_bytes(worker.get("memory_bytes")),
        _span(worker.get("idle_seconds")),
        _span(worker.get("expires_in")),
    )


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(max(0.0, seconds))
