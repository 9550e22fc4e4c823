"""Logins for registries, as docker and podman keep them; `oras` reads their files and helpers."""

from __future__ import annotations

import json
import os
from pathlib import Path

_DOCKER_KEYS = ("docker.io", "https://index.docker.io/v1/", "index.docker.io")


def registry_login(host: str, repository: str) -> str | None:
    """Return the login for a repository, base64 of `user:password`, None where there is none."""
    files = [path for path in login_files() if _is_readable(path)]
    return next(
        (
            login
            for path in files
            for key in _keys(host, repository)
            if (login := _read(path, key)) is not None
        ),
        None,
    )


def login_files() -> list[Path]:
    """Return where logins may be, podman's places first, as podman itself reads them."""
    places = []
    if given := os.environ.get("REGISTRY_AUTH_FILE"):
        places.append(Path(given))
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        places.append(Path(runtime) / "containers/auth.json")
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    places.append(Path(config).expanduser() / "containers/auth.json")
    docker = os.environ.get("DOCKER_CONFIG") or "~/.docker"
    places.append(Path(docker).expanduser() / "config.json")
    return places


def _read(path: Path, key: str) -> str | None:
    from oras.auth.base import AuthBackend
    from oras.container import Container

    backend = AuthBackend()
    container = Container("name", registry=key)
    container.registry = key
    backend.load_configs(container, [str(path)])
    login = getattr(backend, "_basic_auth", None)
    return login if isinstance(login, str) else None


def _keys(host: str, repository: str) -> list[str]:
    """Return under which names a login may stand, the narrowest first."""
    parts = repository.split("/")
    narrow = ["/".join([host, *parts[:count]]) for count in range(len(parts), 0, -1)]
    if host == "docker.io":
        return [*narrow, *_DOCKER_KEYS]
    # Older programs wrote the address in place of the host, and docker and podman read it still.
    return [*narrow, host, *(f"https://{host}{path}" for path in ("", "/v1/", "/v2/"))]


def _is_readable(path: Path) -> bool:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and isinstance(value.get("auths") or {}, dict)
