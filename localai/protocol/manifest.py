"""`backend.yaml`: what a backend can do, needs and accepts, readable without its engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from localai.errors import ConfigError
from localai.protocol.capabilities import Capability

MANIFEST = "backend.yaml"


class OptionSpec(BaseModel):
    """One card option, in the words of JSON Schema."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["string", "integer", "number", "boolean", "array", "object"]
    description: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    enum: list[Any] | None = None
    items: dict[str, Any] | None = None
    is_path: bool = False
    """Whether it names a file: a path, absolute or from the card's folder, that must be there."""
    grants: list[Capability] = []
    """What a model can do only when its card sets this option."""
    needs_trust: bool = False
    """Whether it lets the model run programs of its own: then the card must say `trust: true`."""


class Manifest(BaseModel):
    """A backend as its folder describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    capabilities: list[Capability]
    """All that models of this backend can do."""
    default_capabilities: list[Capability] = []
    """What a card that names no capabilities has; empty = all that no option grants."""
    entry: str
    """`module:Class` inside the folder, a subclass of `localai.worker.backend.Backend`."""
    needs_model: bool = True
    """Whether a card of this backend must name a `model`."""
    reads_pickles: bool = True
    """Whether its engine may read Python pickles; false where it never does, and says so itself."""
    requirements: dict[str, list[str]] = {}
    """pip requirements by accelerator: `cpu`, `cuda12`, …"""
    load_timeout: float = 600.0
    """Seconds from the process's start until it must be ready."""
    options: dict[str, OptionSpec] = {}

    def usual_capabilities(self, options: Mapping[str, Any]) -> list[Capability]:
        """Return what a card with these options can do where it does not say so itself."""
        granting = {c for spec in self.options.values() for c in spec.grants}
        usual = self.default_capabilities or [c for c in self.capabilities if c not in granting]
        granted = [
            c for name, spec in self.options.items() if options.get(name) for c in spec.grants
        ]
        return [*usual, *granted]

    def option_defaults(self) -> dict[str, Any]:
        """Return every option at its default."""
        return {name: spec.default for name, spec in self.options.items()}


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/backend.yaml`.

    Raises ConfigError that names the file when it is missing or wrong.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from error


def read_manifests(*folders: Path) -> dict[str, tuple[Path, Manifest]]:
    """Return folder and manifest of every backend below `folders`, later folders win."""
    found: dict[str, tuple[Path, Manifest]] = {}
    for folder in folders:
        for path in sorted(folder.glob(f"*/{MANIFEST}")):
            manifest = read_manifest(path.parent)
            found[manifest.name] = (path.parent, manifest)
    return found
