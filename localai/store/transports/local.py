"""What is on this machine already: used where it lies, never copied."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from localai.references import FileReference, PackageReference
from localai.store.errors import NotInRegistry


def locate(reference: FileReference | PackageReference) -> Path:
    """Return the absolute path of the file or folder; raises NotInRegistry where there is none."""
    if isinstance(reference, FileReference):
        path = reference.path.expanduser().absolute()
    else:
        path = _package_folder(reference.module) / reference.path
    if not path.exists():
        raise NotInRegistry(f"{path} does not exist.")
    return path.resolve()


def _package_folder(module: str) -> Path:
    """Return where an installed Python package lies; none of its code runs."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise NotInRegistry(
            f"The Python package '{module}' is not installed: "
            f"run `pip install {module.replace('_', '-')}`."
        )
    return Path(spec.submodule_search_locations[0])
