"""Certificates for one registry, where podman and docker look for them.

Source: containers-certs.d(5), and docker's "Verify repository client with certificates".
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from localai.errors import ConfigError
from localai.network.tls import Certificates

_LOG = logging.getLogger("localai.store")


def certificates_of(host: str) -> Certificates:
    """Return what counts for a registry, `host` as its references write it.

    The first folder that is there counts alone, as for podman. Raises ConfigError for a
    certificate of our own without its key.
    """
    for folder in folders_of(host):
        try:
            files = sorted(folder.iterdir())
            own = tuple(_with_key(path) for path in files if path.suffix == ".cert")
        except PermissionError:
            _LOG.warning("%s may not be read by this user: passing over it.", folder)
            continue  # as for podman
        except OSError:  # not there
            continue
        return Certificates(tuple(path for path in files if path.suffix == ".crt"), own)
    return Certificates()


def folders_of(host: str) -> list[Path]:
    """Return where the certificates of a registry may be, one's own first."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    system = Path("/etc")
    places = [config / "containers", system / "containers", config / "docker", system / "docker"]
    return [place / "certs.d" / host for place in places]


def _with_key(certificate: Path) -> tuple[Path, Path]:
    key = certificate.with_suffix(".key")
    try:
        key.stat()
    except FileNotFoundError:
        raise ConfigError(
            f"{certificate} is a certificate to show to the registry, and its key {key} is "
            "missing: put it there, or call the certificate of an authority .crt."
        ) from None
    return certificate, key
