"""`localai run`: the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from localai.cli.settings_options import settings_of, settings_options
from localai.settings import ensure_folders


@click.command("run")
@settings_options()
@click.pass_context
def run_command(context: click.Context, /, config: Path | None, **flags: Any) -> None:
    """Start the gateway: it serves the OpenAI API for all models of the models folder."""
    settings = settings_of(config, flags)
    ensure_folders(settings)

    from localai.cli.listening import open_socket, shown_url

    # The port first: when it is taken, nothing else needs to start.
    with open_socket(settings.host, settings.port) as listener:
        from localai.api.app import create_app
        from localai.cli.banner import render_banner
        from localai.cli.logs import configure_logging
        from localai.cli.serving import serve

        configure_logging(settings.log_level)
        app = create_app(settings)
        url = shown_url(settings.host, listener.getsockname()[1])
        catalog = app.state.gateway.catalog
        context.exit(
            serve(app, listener, settings, lambda: click.echo(render_banner(url, catalog)))
        )
