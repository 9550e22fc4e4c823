"""Installs an entry: its files into the store, then its card into the models folder."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from localai.errors import CardError
from localai.gallery.card_of import card_of, model_path
from localai.gallery.entry import Entry, EntryFile
from localai.store.errors import WrongFile
from localai.store.progress import Report, ignore

if TYPE_CHECKING:
    from localai.store.store import Store


@dataclass(frozen=True)
class Pulled:
    """Where a file, or a folder, of an entry is now."""

    path: Path
    sha256: str | None = None
    """What the store measured while it came; None = look at the file."""


Pull = Callable[[EntryFile], Pulled]
"""Brings one file of an entry onto this machine; raises a LocalAIError."""


def install_from(
    store: Store,
    entry: Entry,
    models: Path,
    *,
    replace: bool = False,
    progress: Report = ignore,
    cancel: threading.Event | None = None,
) -> Path:
    """Install `entry` with files from `store`, which checks them while they come."""
    pulled = []

    def pull(file: EntryFile) -> Pulled:
        model = store.pull(file.uri, sha256=file.sha256, progress=progress, cancel=cancel)
        pulled.append(model)
        return Pulled(model.model, file.sha256)

    target = install(entry, pull, models, replace=replace)
    for model in pulled:
        store.note_card(model, entry.name)
    return target


def install(entry: Entry, pull: Pull, models: Path, *, replace: bool = False) -> Path:
    """Bring all files of `entry` and write its card into `models`; return the card's path.

    Raises CardError when another card has the place and may not be replaced, WrongFile for a file
    whose checksum is not the gallery's.
    """
    target = card_path(entry, models)
    _refuse_other_card(entry, target, replace)
    places: dict[str, Path] = {}
    for file in entry.files:
        pulled = pull(file)
        _check_hash(file, pulled)
        places[file.path] = pulled.path
    if (inside := _inside_folder(entry, places)) is not None:
        places[model_path(entry)] = inside
    _write(target, card_of(entry, places))
    return target


def card_path(entry: Entry, models: Path) -> Path:
    """Return where the card of `entry` is written."""
    return models / f"{re.sub('[/:]', '-', entry.name)}.yaml"


def _refuse_other_card(entry: Entry, target: Path, replace: bool) -> None:
    if replace or not target.exists():
        return
    try:
        there = yaml.safe_load(target.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        there = None
    if not isinstance(there, dict) or _origins(there) != _origins(card_of(entry)):
        raise CardError(
            f"is already there and is for something else than '{entry.name}' of the gallery: "
            "replace it with --force, or rename it",
            path=str(target),
        )


def _origins(card: Mapping[str, Any]) -> object:
    """Return what makes two cards the same model, whatever a person has changed in one."""
    files = card.get("files")
    if not isinstance(files, list):
        return None
    return card.get("name"), [one.get("uri") for one in files if isinstance(one, dict)]


def _check_hash(file: EntryFile, pulled: Pulled) -> None:
    if file.sha256 is None or pulled.path.is_dir():
        return
    found = pulled.sha256 or _sha256(pulled.path)
    if found != file.sha256.lower():
        raise WrongFile(
            f"{file.uri} has the sha256 {found}, but the gallery says {file.sha256.lower()}: the "
            "file was changed, or the gallery is out of date; nothing was installed."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inside_folder(entry: Entry, places: Mapping[str, Path]) -> Path | None:
    """Return where a model is that came in an archive, None for one that is a file of its own."""
    name = model_path(entry)
    if any(name == path or name.startswith(f"{path}/") for path in places):
        return None
    # A store gives the folder of an archive, or the one model in it.
    candidates = [folder / name for place in places.values() for folder in (place, place.parent)]
    found = [path for path in candidates if path.exists()]
    if not found:
        raise WrongFile(f"None of the files of '{entry.name}' holds {name}: nothing was installed.")
    return found[0]


def _write(target: Path, card: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(card), sort_keys=False, allow_unicode=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}.", delete=False
    ) as part:
        part.write(text)
    os.replace(part.name, target)
