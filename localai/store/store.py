"""The store: models on this machine under real names, fetched once, shared and counted."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from localai.store.artifact import Artifact
from localai.store.cleaning import Pruned, Usage, prune, usage
from localai.store.content import refuse_unsafe
from localai.store.download import Downloader, shared_downloader
from localai.store.errors import InUse, InvalidReference, NotInRegistry, StoreError
from localai.store.hashing import sha256_of
from localai.store.hub_cache import remove_from_cache
from localai.store.in_use import User, users_of
from localai.store.packing import Packed, pack, unpack_model
from localai.store.partial import wrong_hash
from localai.store.progress import Progress, Report, ignore
from localai.store.pulling import Choices, Pull, expecting, has_size, main_path
from localai.store.records import Records, StoredFile, StoredModel
from localai.store.references import (
    FileReference,
    HubReference,
    NameReference,
    PackageReference,
    Reference,
    check_relative_path,
    parse_reference,
)
from localai.store.resolving import resolve
from localai.store.shortnames import load_shortnames
from localai.store.transports import local


@dataclass(frozen=True)
class Removed:
    """What a removal did: bytes that became free, and files that others still need."""

    freed: int
    kept: tuple[str, ...]


class Store:
    """The models below `folder`, which is made at the first use."""

    def __init__(
        self,
        folder: Path,
        *,
        downloader: Downloader | None = None,
        users: Callable[[Iterable[Path]], list[User]] = users_of,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder.absolute()
        self.records = Records(self.folder)
        self._downloader = downloader or shared_downloader()
        self._users = users
        self._now = now

    def reference(self, text: str) -> Reference:
        """Return what `text` names: short names are replaced, a path that exists is a path."""
        names, seen = load_shortnames(), set[str]()
        while text in names and text not in seen:
            seen.add(text)
            text = names[text]
        reference = parse_reference(text)
        bare = isinstance(reference, HubReference | NameReference) and "://" not in text
        if bare and ("/" in text or text.endswith(".gguf")) and Path(text).exists():
            return FileReference(Path(text))
        return reference

    def pull(
        self,
        text: str,
        *,
        trust: bool = False,
        sha256: str | None = None,
        force: bool = False,
        progress: Report = ignore,
        cancel: threading.Event | None = None,
    ) -> StoredModel:
        """Bring the model that `text` names here, whole and verified, and return it.

        Files that are here already are linked; local files are used in place. `sha256` is what
        the main file must have; `trust` takes pickles; `force` fetches again what is here.
        `progress` is called from several threads.
        """
        reference = self.reference(text)
        if isinstance(reference, FileReference | PackageReference):
            return self._in_place(reference, trust, sha256, progress, cancel)
        artifact = expecting(resolve(reference), sha256)
        paths = [file.path for file in artifact.files if not file.archive]
        refuse_unsafe(paths, str(reference), trust)
        if not force and (kept := self._unpacked_before(artifact)) is not None:
            progress(Progress(artifact.files[0].path, "linked", kept.size, kept.size))
            return kept
        choices = Choices(trust, force, progress, cancel)
        pull = Pull(self.folder, self.records.all(), self._downloader, artifact, choices)
        return self._commit(artifact, pull.run())

    def find(self, text: str) -> StoredModel | None:
        """Return the model of a reference, a name it was copied to, or the start of its id.

        None where it is not here, or not whole any more.
        """
        model = self._find_record(text)
        return model if model is not None and self._is_whole(model) else None

    def list(self) -> list[StoredModel]:
        """Return all models."""
        return self.records.all()

    def owner_of(self, path: Path) -> StoredModel | None:
        """Return the model that a file or folder of the store belongs to."""
        found = path.absolute()
        for model in self.list():
            files = {self.folder / file.path for file in model.files}
            if found in files or found in {model.model, model.folder}:
                return model
        return None

    def remove(self, text: str, force: bool = False) -> Removed:
        """Remove a model, and those of its files that no other model needs.

        Raises NotInRegistry when it is not here, InUse when a process has it open, unless forced.
        """
        with self.lock():
            model = self._find_record(text)
            if model is None:
                raise self._unknown(text)
            others = [one for one in self.list() if one.reference != model.reference]
            needed = {file.path for one in others for file in one.files}
            gone = [file for file in model.files if file.path not in needed]
            self._refuse_in_use(model, gone, force)
            self.records.remove(model.reference)
            kept = tuple(file.path for file in model.files if file.path in needed)
            return Removed(sum(self._remove_file(file) for file in gone), kept)

    def copy(self, text: str, name: str) -> StoredModel:
        """Give a model one more name; its files are shared."""
        reference = parse_reference(name)
        if not isinstance(reference, NameReference):
            raise InvalidReference(
                f"'{name}' cannot be a name: use letters, digits, '.', '_', '-'."
            )
        with self.lock():
            model = self._find_record(text)
            if model is None:
                raise self._unknown(text)
            if self.records.get(name) is not None:
                raise InvalidReference(f"There is already a model '{name}': remove it first.")
            copied = replace(model, reference=name, cards=(), pulled=self._now())
            self.records.put(copied)
            return copied

    def prune(self, older_than: float = 3600.0) -> Pruned:
        """Remove what no model needs and nobody has touched for `older_than` seconds."""
        if not self.folder.is_dir():
            return Pruned((), 0)
        with self.lock():
            return prune(self.folder, self.records.all(), older_than, self._now())

    def usage(self) -> Usage:
        """Return how much room everything takes."""
        return usage(self.folder, self.records.all())

    def export(self, model: StoredModel, target: Path, card: str = "") -> int:
        """Write a model and its card's text to one tar, and return how large it is.

        A model that is used in place goes along as if it had been pulled.
        """
        model, files = self._portable(model)
        relative = replace(
            model,
            folder=model.folder.relative_to(self.folder),
            model=model.model.relative_to(self.folder),
        )
        return pack(relative, files, card, target)

    def import_(self, source: Path, trust: bool = False) -> Packed:
        """Take a model in that `export` wrote, each file verified."""
        packed = unpack_model(source, self.folder, trust)
        with self.lock():
            self.records.put(packed.model)
        return packed

    def note_card(self, model: StoredModel, card: str) -> None:
        """Note that a card uses the model."""
        if model.files:
            with self.lock():
                self.records.with_cards(model, card)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from changing the records meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    # --- finding ---

    def _find_record(self, text: str) -> StoredModel | None:
        if (model := self.records.get(text)) is not None:
            return model
        with suppress(InvalidReference):
            if (model := self.records.get(str(self.reference(text)))) is not None:
                return model
        if len(text) >= 4 and all(char in "0123456789abcdef" for char in text):
            matching = [one for one in self.list() if one.id.startswith(text)]
            return matching[0] if len({one.id for one in matching}) == 1 else None
        return None

    def _unpacked_before(self, artifact: Artifact) -> StoredModel | None:
        """Return the model if it came of the same archives: not each of them leaves files."""
        before = self.records.get(str(artifact.reference))
        archives = artifact.revision and any(file.archive for file in artifact.files)
        if not archives or before is None or before.revision != artifact.revision:
            return None
        return before if self._is_whole(before) else None

    def _portable(self, model: StoredModel) -> tuple[StoredModel, dict[str, Path]]:
        if model.files:
            return model, {file.path: self.folder / file.path for file in model.files}
        if not model.model.is_file():
            raise InvalidReference(f"{model.model} is a folder: only pulled folders are exported.")
        path = f"imported/{model.model.stem}/{model.model.name}"
        check_relative_path(path)
        size = model.model.stat().st_size
        file = StoredFile(path, sha256_of(model.model), size, "model", "unpacked", model.reference)
        target = self.folder / path
        moved = replace(model, folder=target.parent, model=target, files=(file,))
        return moved, {path: model.model}

    def _is_whole(self, model: StoredModel) -> bool:
        return all(has_size(self.folder / file.path, file.size) for file in model.files)

    def _unknown(self, text: str) -> NotInRegistry:
        return NotInRegistry(f"There is no model '{text}' in the store: see `localai list`.")

    # --- pulling ---

    def _in_place(
        self,
        reference: FileReference | PackageReference,
        trust: bool,
        sha256: str | None,
        progress: Report,
        cancel: threading.Event | None,
    ) -> StoredModel:
        path = local.locate(reference)
        if path.is_file():
            refuse_unsafe([path.name], str(path), trust)
        if sha256 is not None:
            found = sha256_of(path, progress, cancel)
            if found != sha256.lower():
                raise wrong_hash(str(path), found, sha256.lower())
        folder = path if path.is_dir() else path.parent
        return StoredModel(str(reference), folder, path, pulled=self._now())

    def _commit(self, artifact: Artifact, files: Iterable[StoredFile]) -> StoredModel:
        """Note the model; from now on it is there."""
        folder = self.folder / artifact.folder
        reference = str(artifact.reference)
        with self.lock():
            unique = {file.path: file for file in files}  # a later layer replaces a file
            if gone := [path for path in unique if not (self.folder / path).exists()]:
                raise StoreError(
                    f"{gone[0]} was removed while {reference} was fetched: pull again."
                )
            before = self.records.get(reference)
            model = StoredModel(
                reference=reference,
                folder=folder,
                model=self.folder / main_path(artifact, unique.values()),
                files=tuple(unique.values()),
                pulled=self._now(),
                revision=artifact.revision,
                cards=before.cards if before else (),
                notes=artifact.notes,
            )
            self.records.put(model)
            if before is not None:
                self._remove_replaced(before, model)
            return model

    def _remove_replaced(self, before: StoredModel, model: StoredModel) -> None:
        """Remove files of the model's former version that nobody needs any more."""
        needed = {file.path for one in self.list() for file in one.files}
        now = {file.path for file in model.files}
        for file in before.files:
            if file.path not in needed and file.path not in now:
                self._remove_file(file)

    # --- removing ---

    def _refuse_in_use(self, model: StoredModel, files: Iterable[StoredFile], force: bool) -> None:
        if force:
            return
        if users := self._users([self.folder / file.path for file in files]):
            named = ", ".join(f"{user.name} ({user.pid})" for user in users[:3])
            raise InUse(
                f"{model.reference} is in use by {named}: stop it (`localai stop NAME`) and try "
                "again, or remove it all the same with --force.",
                details={"pids": [user.pid for user in users]},
            )

    def _remove_file(self, file: StoredFile) -> int:
        """Remove a file and return how many bytes became free."""
        path = self.folder / check_relative_path(file.path)
        if file.cached is not None and _same_file(Path(file.cached), path):
            remove_from_cache(Path(file.cached))
        try:
            found = path.lstat()
        except FileNotFoundError:
            return 0
        path.unlink()
        _remove_empty(path.parent, self.folder)
        return found.st_size if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 else 0


def _same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _remove_empty(folder: Path, store: Path) -> None:
    """Remove folders that have become empty, up to the store's own."""
    while folder != store and store in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
