"""What is on this machine already: used where it lies, never copied."""

from __future__ import annotations

from pathlib import Path

from localai.cards.packages import not_installed, package_folder
from localai.files import place_of
from localai.references import FileReference, PackageReference
from localai.store.errors import NotInRegistry


def locate(reference: FileReference | PackageReference) -> Path:
    """Return the absolute path of the file or folder; raises NotInRegistry where there is none."""
    if isinstance(reference, FileReference):
        path = reference.path.expanduser().absolute()
    else:
        path = _folder_of(reference.module) / reference.path
    if not path.exists():
        raise NotInRegistry(f"{path} does not exist.")
    # What is neither, as a named pipe, could keep its reader waiting for ever.
    if not (path.is_file() or path.is_dir()):
        raise NotInRegistry(f"{path} is neither a file nor a folder.")
    return place_of(path)


def _folder_of(module: str) -> Path:
    folder = package_folder(module)
    if folder is None:
        raise NotInRegistry(f"The Python package '{module}' {not_installed(module)}.")
    return folder
