"""`localai run`: the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from localai.cli.settings_options import settings_of, settings_options
from localai.settings import AUTO_PROFILE, Settings, ensure_folders


@click.command("run")
@settings_options()
@click.pass_context
def run_command(context: click.Context, /, config: Path | None, **flags: Any) -> None:
    """Start the gateway: it serves the OpenAI API for all models of the models folder."""
    settings = _with_profile(settings_of(config, flags))
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


def _with_profile(settings: Settings) -> Settings:
    """Return the settings with the profile that suits this machine where they leave it open."""
    if settings.profile != AUTO_PROFILE:
        return settings
    from localai.hardware.engines import llama_built_for
    from localai.hardware.machine import detect
    from localai.hardware.profiles import choose_profile

    choice = choose_profile(detect(), llama_built_for())
    click.echo(f"Profile {choice.profile}: {choice.reason}")
    return settings.model_copy(update={"profile": choice.profile})
