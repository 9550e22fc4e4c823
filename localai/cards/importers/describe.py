"""Which backend would run a file or folder, as its own header says; nothing is loaded."""

from __future__ import annotations

from pathlib import Path

from localai.cards.importers.described import Described, not_run
from localai.cards.importers.first_bytes import GGUF_MAGIC
from localai.cards.importers.folders import describe_folder
from localai.cards.importers.gguf_models import describe_gguf
from localai.cards.importers.imported import CannotImport
from localai.cards.importers.single_files import describe_single_file
from localai.cards.shards import shards_of
from localai.file_kinds import is_gguf

_MOST_FILES = 10_000


def describe_file(path: Path, trust: bool = False) -> Described:
    """Describe the model at `path`, a file or a folder; with `trust` its pickles are taken.

    Raises CannotImport for what is not there, is damaged or cannot be read.
    """
    try:
        if path.is_dir():
            return describe_folder(path, trust) or _from_files_in(path)
        if path.exists() and not path.is_file():
            # A named pipe could keep its reader waiting for ever.
            raise CannotImport("is neither a file nor a folder.", path=str(path))
        return describe_gguf(path) if _is_gguf(path) else describe_single_file(path)
    except OSError as error:
        raise CannotImport(f"cannot be read: {error.strerror}.", path=str(path)) from error


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == GGUF_MAGIC or is_gguf(path.name)


def _from_files_in(folder: Path) -> Described:
    """Describe the one model file of a folder that says nothing itself."""
    files = [file for file, _ in zip(sorted(folder.iterdir()), range(_MOST_FILES), strict=False)]
    ggufs = [file for file in files if is_gguf(file.name) and _is_first(file)]
    others = [file for file in files if file.suffix.lower() in (".onnx", ".safetensors")]
    found = ggufs or others
    if not found:
        return not_run(f"{folder.name} holds no model that a backend here runs.")
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:5])
        return not_run(f"{folder.name} holds several models: import one of {names}.")
    described = describe_file(found[0])
    return Described(**{**vars(described), "model": str(found[0])})


def _is_first(path: Path) -> bool:
    """Tell whether a file is a model's first, and no projector."""
    return "mmproj" not in path.name.lower() and shards_of(path.name)[0] == path.name
