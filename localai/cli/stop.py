"""`localai stop`: unload a model."""

from __future__ import annotations

import click

from localai.cli.client import Gateway, model_path, url_option


@click.command("stop")
@click.argument("name")
@url_option
def stop_command(name: str, url: str) -> None:
    """Unload the model NAME; the next call loads it again."""
    answer = Gateway(url).delete(f"/admin/workers/{model_path(name)}")
    model = answer.get("model", name)
    click.echo(f"{model} is unloaded." if answer.get("stopped") else f"{model} was not loaded.")
