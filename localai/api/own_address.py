"""The address that callers use, for addresses in answers."""

from __future__ import annotations

from starlette.requests import Request

from localai.settings import Settings


def own_address(request: Request, settings: Settings) -> str:
    """Return what addresses in answers begin with: the setting, else what the caller used."""
    return (settings.public_url or str(request.base_url)).rstrip("/")
