"""`localai version`: what is installed here."""

from __future__ import annotations

import json
import platform

import click

from localai import __version__


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="Print JSON")
def version_command(as_json: bool) -> None:
    """Show the versions of LocalAI, Python and the platform, and the backends found."""
    from localai.cli.opening import backends_of
    from localai.settings import load_settings

    backends = sorted(backends_of(load_settings()))
    python, system = platform.python_version(), platform.platform()
    if as_json:
        told = {"version": __version__, "python": python, "platform": system, "backends": backends}
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(f"localai {__version__}")
    click.echo(f"python {python}")
    click.echo(f"platform {system}")
    click.echo(f"backends {', '.join(backends) or 'none'}")
