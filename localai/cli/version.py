"""`localai version`: what is installed here."""

from __future__ import annotations

import platform

import click

from localai import __version__


@click.command("version")
def version_command() -> None:
    """Show the versions of LocalAI, Python and the platform, and the backends found."""
    from localai.protocol.manifest import read_manifests
    from localai.settings import backend_folders, load_settings

    backends = read_manifests(*backend_folders(load_settings()))
    click.echo(f"localai {__version__}")
    click.echo(f"python {platform.python_version()}")
    click.echo(f"platform {platform.platform()}")
    click.echo(f"backends {', '.join(sorted(backends)) or 'none'}")
