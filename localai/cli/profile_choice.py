"""Which profile `auto` means on this machine."""

from __future__ import annotations

import click

from localai.cli.terminal import printable
from localai.settings import AUTO_PROFILE, Settings


def with_profile(settings: Settings, *, is_said: bool = True) -> Settings:
    """Return the settings with the profile that suits this machine where they leave it open.

    The choice and its reason are said where `is_said`, and what kept the machine from telling
    all of itself.
    """
    if settings.profile != AUTO_PROFILE:
        return settings
    from localai.hardware.engines import llama_built_for
    from localai.hardware.machine import detect
    from localai.hardware.profiles import choose_profile

    choice = choose_profile(detect(folder=settings.store), llama_built_for())
    if is_said:
        click.echo(printable(f"Profile {choice.profile}: {choice.reason}"))
    return settings.model_copy(update={"profile": choice.profile})
