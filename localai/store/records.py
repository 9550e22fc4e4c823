"""What the store knows of its models: one JSON file each."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from localai.files import replace_text
from localai.store.artifact import Kind
from localai.store.errors import UnreadableRecord
from localai.store.layout import RECORDS

_LOG = logging.getLogger("localai.store")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")

How = Literal["fetched", "linked", "unpacked"]


@dataclass(frozen=True)
class StoredFile:
    """One file: `path` from the store's folder, `size` in bytes, and where it came from.

    `cached` is the blob that this store gave to Hugging Face's cache, and takes back; `version` is
    what a source without hashes calls this content.
    """

    path: str
    sha256: str
    size: int
    kind: Kind = "other"
    how: How = "fetched"
    origin: str = ""
    git_oid: str | None = None
    cached: str | None = None
    version: str | None = None

    def damage(self, store: Path) -> str | None:
        """Return what is wrong with the file in `store`, None where it is as long as noted."""
        path = store / self.path
        try:
            size = path.stat().st_size
        except OSError:
            return f"{path} is not there"
        return None if size == self.size else f"{path} has {size} bytes in place of {self.size}"

    def is_whole(self, store: Path) -> bool:
        """Tell whether the file is there in `store`, as long as it has to be."""
        return self.damage(store) is None


@dataclass(frozen=True)
class StoredModel:
    """A model that is whole on this machine; `model` is its main file, or its folder."""

    reference: str
    folder: Path
    model: Path
    files: tuple[StoredFile, ...] = ()
    pulled: float = 0.0
    revision: str = ""
    cards: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Twelve digits that name the content: the same files have the same."""
        hashes = "".join(sorted(file.sha256 for file in self.files))
        return hashlib.sha256(hashes.encode()).hexdigest()[:12]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def main_file(self, store: Path) -> StoredFile | None:
        """Return what is noted of the main file; None for a model that is a folder."""
        return next((file for file in self.files if store / file.path == self.model), None)

    def has_hash(self, sha256: str, store: Path) -> bool:
        """Tell whether the main file has this hash; a folder has none."""
        main = self.main_file(store)
        return main is not None and main.sha256 == sha256.lower()

    def is_whole(self, store: Path) -> bool:
        """Tell whether all files are there."""
        return all(file.is_whole(store) for file in self.files)

    def path_of(self, kind: Kind, store: Path) -> Path | None:
        """Return the first file of a kind, as the projector."""
        return next((store / file.path for file in self.files if file.kind == kind), None)


@dataclass
class Records:
    """The records of the store in `folder`."""

    folder: Path

    @property
    def _place(self) -> Path:
        return self.folder / RECORDS

    def readable(self) -> list[StoredModel]:
        """Return the models by their references; a record that cannot be read is logged."""
        found = (self._read(path) for path in self._paths())
        return sorted(
            (model for model in found if model is not None), key=lambda model: model.reference
        )

    def all(self) -> list[StoredModel]:
        """Return all models, for who removes what none of them needs.

        Raises UnreadableRecord when one cannot be read: what it needs is not known.
        """
        models = []
        for path in self._paths():
            model = self._read(path)
            if model is None and path.exists():
                raise UnreadableRecord(
                    f"{path} cannot be read, so nobody knows which files its model needs, and "
                    "nothing is removed. If a newer LocalAI wrote it, use that one; else delete "
                    "this file and pull its model again, which fetches nothing that is here.",
                    details={"record": str(path)},
                )
            models += [] if model is None else [model]
        return models

    def unreadable(self) -> list[Path]:
        """Return the records that cannot be read."""
        return [path for path in self._paths() if self._read(path) is None and path.exists()]

    def get(self, reference: str) -> StoredModel | None:
        """Return the record of a reference."""
        path = self._path(reference)
        return self._read(path) if path.exists() else None

    def put(self, model: StoredModel) -> None:
        """Write a record, at once or not at all."""
        content = asdict(model)
        content["folder"] = model.folder.relative_to(self.folder).as_posix()
        content["model"] = model.model.relative_to(self.folder).as_posix()
        path = self._path(model.reference)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(content, indent=2, ensure_ascii=False))

    def replace_files(self, model: StoredModel) -> None:
        """Note in all other records that files which they share with `model` are now as there."""
        fresh = {file.path: file for file in model.files}
        for other in self.readable():
            files = tuple(
                file if fresh.get(file.path, file).sha256 == file.sha256 else fresh[file.path]
                for file in other.files
            )
            if other.reference != model.reference and files != other.files:
                self.put(replace(other, files=files))

    def remove(self, reference: str) -> None:
        """Forget a model."""
        self._path(reference).unlink(missing_ok=True)

    def with_cards(self, model: StoredModel, *names: str) -> StoredModel:
        """Note that cards use the model."""
        noted = replace(model, cards=tuple(dict.fromkeys([*model.cards, *names])))
        self.put(noted)
        return noted

    def _path(self, reference: str) -> Path:
        readable = _NOT_IN_NAMES.sub("-", reference).strip("-.")[:120]
        unique = hashlib.sha256(reference.encode()).hexdigest()[:8]
        return self._place / f"{readable}-{unique}.json"

    def _paths(self) -> list[Path]:
        return sorted(self._place.glob("[!.]*.json"))

    def _read(self, path: Path) -> StoredModel | None:
        try:
            return _model(json.loads(path.read_text("utf-8")), self.folder)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _warn_once(path, str(error))
            return None


@cache
def _warn_once(path: Path, reason: str) -> None:
    """Tell of a record that cannot be read, which every look at the store comes upon."""
    _LOG.warning("%s cannot be read (%s): remove it and pull the model again", path, reason)


def _model(data: dict[str, Any], store: Path) -> StoredModel:
    """Read a record; what a newer version has noted besides is passed over."""
    return StoredModel(
        reference=str(data["reference"]),
        folder=store / data["folder"],
        model=store / data["model"],
        files=tuple(stored_file(file) for file in data["files"]),
        pulled=float(data.get("pulled", 0.0)),
        revision=str(data.get("revision", "")),
        cards=tuple(data.get("cards", ())),
        notes=tuple(data.get("notes", ())),
    )


def stored_file(data: dict[str, Any]) -> StoredFile:
    """Read one file of a record; raises KeyError or TypeError for what is none."""
    known = {one.name for one in fields(StoredFile)}
    file = StoredFile(**{key: value for key, value in data.items() if key in known})
    if not isinstance(file.path, str) or not isinstance(file.sha256, str):
        raise TypeError("a path or a hash is no text")
    return replace(file, size=int(file.size))
