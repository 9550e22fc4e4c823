"""What the store knows of its models: one JSON file each."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from localai.store.artifact import Kind

_LOG = logging.getLogger("localai.store")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")

How = Literal["fetched", "linked", "unpacked"]


@dataclass(frozen=True)
class StoredFile:
    """One file: `path` from the store's folder, `size` in bytes, and where it came from.

    `cached` is the blob that this store gave to Hugging Face's cache, and takes back.
    """

    path: str
    sha256: str
    size: int
    kind: Kind = "other"
    how: How = "fetched"
    origin: str = ""
    git_oid: str | None = None
    cached: str | None = None


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

    def path_of(self, kind: Kind, store: Path) -> Path | None:
        """Return the first file of a kind, as the projector."""
        return next((store / file.path for file in self.files if file.kind == kind), None)


@dataclass
class Records:
    """The records of the store in `folder`."""

    folder: Path
    unreadable: list[Path] = field(default_factory=list)

    @property
    def _place(self) -> Path:
        return self.folder / "records"

    def all(self) -> list[StoredModel]:
        """Return all models by their references; a record that cannot be read is logged."""
        return sorted(self._read_all(), key=lambda model: model.reference)

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
        fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
        fresh.write_text(json.dumps(content, indent=2, ensure_ascii=False), "utf-8")
        os.replace(fresh, path)

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

    def _read_all(self) -> Iterator[StoredModel]:
        self.unreadable = []
        for path in sorted(self._place.glob("[!.]*.json")):
            if (model := self._read(path)) is not None:
                yield model

    def _read(self, path: Path) -> StoredModel | None:
        try:
            return _model(json.loads(path.read_text("utf-8")), self.folder)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("%s cannot be read (%s): remove it and pull the model again", path, error)
            self.unreadable.append(path)
            return None


def _model(data: dict[str, Any], store: Path) -> StoredModel:
    files = tuple(StoredFile(**file) for file in data["files"])
    return StoredModel(
        reference=str(data["reference"]),
        folder=store / data["folder"],
        model=store / data["model"],
        files=files,
        pulled=float(data["pulled"]),
        revision=str(data["revision"]),
        cards=tuple(data["cards"]),
        notes=tuple(data["notes"]),
    )
