"""Installs an entry: its files into the store, then its card into the models folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.cards.writing import card_file, read_content, write_card
from localai.gallery.card_of import card_of, model_path
from localai.gallery.entry import Entry, EntryFile
from localai.store.errors import Cancelled, WrongFile
from localai.store.progress import Report, ignore

if TYPE_CHECKING:
    from localai.store.records import StoredModel
    from localai.store.store import Store


PullFile = Callable[[EntryFile], Path]
"""Brings a file, or a folder, of an entry here and checks its hash; raises a LocalAIError."""


@dataclass(frozen=True)
class Installed:
    """The card of an installed entry; one that was there and runs the same files may be kept."""

    card: Path
    is_new: bool


def install_from(
    store: Store,
    entry: Entry,
    models: Path,
    *,
    replace: bool = False,
    keep: bool = True,
    again: bool = False,
    trust: bool = False,
    progress: Report = ignore,
    cancel: threading.Event | None = None,
) -> Installed:
    """Install `entry` with files from `store`, which checks them while they come.

    `again` fetches also what is here, `trust` takes pickles; the others are those of `install`.
    """
    pull, pulled = pulling_from(store, again=again, trust=trust, progress=progress, cancel=cancel)
    installed = install(entry, pull, models, replace=replace, keep=keep)
    for model in pulled:
        store.note_card(model, installed.card)
    return installed


def refuse_cancelled(cancel: threading.Event | None) -> None:
    """Raise Cancelled where nobody wants the model any more, so that no card of it is written."""
    if cancel is not None and cancel.is_set():
        raise Cancelled("It was cancelled.")


def kept_note(card: Path) -> str:
    """Return what is to be known where a card was there and was not written anew."""
    return (
        f"The card {card} was there and stays as it is, with what was written in it: `force` "
        "writes it anew."
    )


def pulling_from(
    store: Store,
    *,
    again: bool = False,
    trust: bool = False,
    progress: Report = ignore,
    cancel: threading.Event | None = None,
) -> tuple[PullFile, list[StoredModel]]:
    """Return what brings an entry's files from `store`, and the list of what it has brought."""
    pulled: list[StoredModel] = []

    def pull(file: EntryFile) -> Path:
        model = store.pull(
            file.uri,
            sha256=file.sha256,
            force=again,
            trust=trust,
            projector=False,  # an entry lists all that its card names
            progress=progress,
            cancel=cancel,
        )
        refuse_cancelled(cancel)  # what was here already is brought without a look at it
        pulled.append(model)
        return model.model

    return pull, pulled


def install(
    entry: Entry,
    pull: PullFile,
    models: Path,
    *,
    replace: bool = False,
    keep: bool = True,
) -> Installed:
    """Bring all files of `entry` and write its card into `models`.

    A card that is there for the same files stays if `keep`, with what a person wrote in it; one of
    another model makes way only for `replace`, which `refuse_taken` tells before anything is
    brought. Raises CardError when another card has the place.
    """
    target = card_file(models, entry.name)
    is_same = _has_same_origins(entry, target)
    content = brought_card(entry, pull)
    if replace or (is_same and not (keep and _runs(target, content))):
        return Installed(target, write_card(target, content, "replace"))
    return Installed(target, write_card(target, content, "keep" if keep else "refuse"))


def brought_card(entry: Entry, pull: PullFile) -> dict[str, Any]:
    """Bring all files of `entry` and return its card, which names them where they are."""
    places: dict[str, Path] = {}
    for file in entry.files:
        places[file.path] = pull(file)
    if (inside := _inside_folder(entry, places)) is not None:
        places[model_path(entry)] = inside
    return card_of(entry, places)


def _has_same_origins(entry: Entry, target: Path) -> bool:
    """Tell whether a card was installed from the same files, whatever a person has changed."""
    there = read_content(target)
    return there is not None and _origins(there) == _origins(card_of(entry))


def _runs(target: Path, content: Mapping[str, Any]) -> bool:
    return bool((read_content(target) or {}).get("model") == content["model"])


def _origins(card: Mapping[str, Any]) -> object:
    """Return what makes two cards the same model."""
    files = card.get("files")
    if not isinstance(files, list):
        return None
    return card.get("name"), [one.get("uri") for one in files if isinstance(one, dict)]


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
