"""Where installed Python packages lie, some of which carry a model."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def package_folder(module: str) -> Path | None:
    """Return where a package lies, None if it is not installed; none of its code runs."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def not_installed(module: str) -> str:
    """Return what to do about a package that is not there, as half a sentence."""
    return f"is not installed: run `pip install {module.replace('_', '-')}`"
