"""Registries that may be asked without TLS, as podman's and docker's settings name them."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def is_insecure(host: str, repository: str) -> bool:
    """Tell whether the operator allows plain HTTP to a registry.

    Of podman's `registries.conf` the narrowest prefix counts, as in containers-registries.conf(5);
    mirrors and other locations are not followed. Of docker's `daemon.json` each host counts.
    """
    name = f"{host}/{repository}"
    prefixes = {prefix: allowed for prefix, allowed in _podman() if _is_below(name, prefix)}
    if prefixes:
        return prefixes[max(prefixes, key=len)]
    return host in _docker()


def _is_below(name: str, prefix: str) -> bool:
    if prefix.startswith("*."):
        return name.partition("/")[0].partition(":")[0].endswith(prefix[1:])
    return name == prefix or name.startswith(f"{prefix}/")


def _podman() -> Iterator[tuple[str, bool]]:
    """Yield each prefix and whether it is insecure; a later file counts more."""
    for path in _podman_files():
        for registry in _list(_toml(path).get("registry")):
            prefix = registry.get("prefix") or registry.get("location")
            if isinstance(prefix, str):
                yield prefix, registry.get("insecure") is True


def _podman_files() -> list[Path]:
    own = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "containers"
    given = os.environ.get("CONTAINERS_REGISTRIES_CONF") or os.environ.get("REGISTRIES_CONFIG_PATH")
    if given:
        return [Path(given)]
    system = Path("/etc/containers")
    main = own if (own / "registries.conf").exists() else system
    folders = (system / "registries.conf.d", own / "registries.conf.d")
    return [main / "registries.conf", *(one for f in folders for one in sorted(f.glob("*.conf")))]


def _docker() -> set[str]:
    rootless = Path(os.environ.get("DOCKER_CONFIG") or "~/.config/docker").expanduser()
    listed = [
        _json(folder / "daemon.json").get("insecure-registries")
        for folder in (Path("/etc/docker"), rootless)
    ]
    return {one for hosts in listed if isinstance(hosts, list) for one in map(str, hosts)}


def _toml(path: Path) -> dict[str, Any]:
    # What podman or docker cannot read is theirs to complain of: here nothing is insecure by it.
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
