"""Finds a backend's class in its folder, without the folder being on the import path."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from localai.errors import LoadFailed
from localai.protocol.manifest import Manifest
from localai.worker.backend import Backend


def import_backend(folder: Path, manifest: Manifest) -> type[Backend]:
    """Import `manifest.entry` from `folder` as a module of the package `backends.<name>`.

    The package prefix keeps a folder named after its engine apart from the engine's own package.
    Raises LoadFailed when an import fails, with the command that installs what is missing.
    """
    package = _import_package(folder, manifest.name)
    module_name, _, class_name = manifest.entry.partition(":")
    try:
        module = importlib.import_module(f"{package}.{module_name}")
    except ImportError as error:
        raise LoadFailed(_missing(manifest, error)) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Backend)):
        raise LoadFailed(f"{folder}: entry '{manifest.entry}' names no Backend.")
    return found


def _missing(manifest: Manifest, error: ImportError) -> str:
    packages = " ".join(f"'{r}'" for r in manifest.requirements.get("cpu", []))
    hint = f" Install it with: pip install {packages}" if packages else ""
    return f"The backend '{manifest.name}' cannot be imported: {error}.{hint}"


def _import_package(folder: Path, name: str) -> str:
    package = f"backends.{name}"
    if package in sys.modules:
        return package
    _ensure_parent()
    init = folder / "__init__.py"
    places = [str(folder)]
    if init.exists():
        spec = importlib.util.spec_from_file_location(
            package, init, submodule_search_locations=places
        )
    else:
        spec = ModuleSpec(package, None, is_package=True)
        spec.submodule_search_locations = places
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[package] = module
    if spec.loader is not None:
        spec.loader.exec_module(module)
    return package


def _ensure_parent() -> None:
    """Make the package `backends` where none can be imported, as from an installed wheel."""
    if "backends" not in sys.modules and importlib.util.find_spec("backends") is None:
        parent = ModuleType("backends")
        parent.__path__ = []
        sys.modules["backends"] = parent
