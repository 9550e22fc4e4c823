"""`localai run`: the gateway."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.cli.profile_choice import with_profile
from localai.cli.settings_options import settings_of, settings_options
from localai.cli.terminal import printable
from localai.settings import Settings, ensure_folders

if TYPE_CHECKING:
    from localai.cards.resolved import ResolvedCard


@click.command("run")
@click.argument("model", nargs=-1)
@settings_options()
@click.pass_context
def run_command(
    context: click.Context, /, model: tuple[str, ...], config: Path | None, **flags: Any
) -> None:
    """Start the gateway: it serves the OpenAI API for all models of the models folder.

    Each MODEL that is not here is installed in the background: a name that `localai search` shows,
    or a reference as `localai pull` takes it.
    """
    flags["preload"] = (*model, *flags["preload"])
    settings = settings_of(config, flags)
    _warn_of_variables(settings)
    settings = with_profile(settings)
    ensure_folders(settings)

    from localai.cli.listening import listen

    # The port first: when it is taken, nothing else needs to start.
    with listen(settings) as (listener, url):
        from localai.api.app import create_app
        from localai.cli.banner import render_banner
        from localai.cli.logs import configure_logging
        from localai.cli.serving import serve

        configure_logging(settings.log_level)
        app = create_app(settings)
        catalog = app.state.gateway.catalog
        _warn_of_shortages(settings, catalog.cards())
        context.exit(
            serve(app, listener, settings, lambda: click.echo(render_banner(url, catalog)))
        )


def _warn_of_variables(settings: Settings) -> None:
    from localai.cli.variables import variable_warnings

    for text, mend in variable_warnings(settings):
        _warn(f"{text}: {mend}")


def _warn_of_shortages(settings: Settings, cards: Iterable[ResolvedCard]) -> None:
    """Say at the start what the machine is too small for, and not when the download fails."""
    if settings.profile is None:
        return
    from localai.cli.profile_needs import profile_shortages
    from localai.hardware.memory import detect_memory
    from localai.hardware.probe import ThisMachine

    here = ThisMachine()
    memory, disk = detect_memory(here).total, here.disk_free(settings.store)
    for text in profile_shortages(settings, memory, disk, cards):
        _warn(text)


def _warn(text: str) -> None:
    click.echo(printable(f"Warning: {text}."), err=True)
