"""The store: models on this machine under real names, fetched once, shared and counted."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from localai.errors import InvalidReference
from localai.file_locks import wait_for_lock
from localai.network.reach import ANYWHERE, PUBLIC_MODELS
from localai.references import (
    FileReference,
    HubReference,
    NameReference,
    PackageReference,
    Reference,
    check_relative_path,
    parse_reference,
)
from localai.store.artifact import Artifact, RemoteFile
from localai.store.cleaning import Pruned, Pruning, Usage, prune, usage
from localai.store.content import refuse_unsafe
from localai.store.download import Downloader, shared_downloader
from localai.store.errors import FetchFailed, NotInRegistry, Offline, Overtaken, UnreadableRecord
from localai.store.hashing import sha256_of
from localai.store.in_use import User, users_of
from localai.store.layout import LOCK
from localai.store.offline import artifact_from_records
from localai.store.packing import (
    Packed,
    look_into,
    pack,
    refuse_other_content,
    unpack_files,
)
from localai.store.partial import wrong_hash
from localai.store.places import place_of
from localai.store.preview import Check
from localai.store.progress import Progress, Report, ignore
from localai.store.pulling import Choices, Pull, expecting, has_size, main_path
from localai.store.records import Records, StoredFile, StoredModel
from localai.store.removing import Removed, given_to_cache, remove_files, unused
from localai.store.resolving import resolve, within
from localai.store.shortnames import spelled_out
from localai.store.transports import local
from localai.store.underway import noted, notes

_LOG = logging.getLogger("localai.store")


class Store:
    """The models below `folder`, which is made at the first use."""

    def __init__(
        self,
        folder: Path,
        *,
        downloader: Downloader | None = None,
        users: Callable[[Iterable[Path]], list[User]] = users_of,
        now: Callable[[], float] = time.time,
        public_only: bool = False,
    ) -> None:
        """With `public_only` it fetches from the public internet and the operator's hub alone."""
        self.folder = folder.resolve()
        self.records = Records(self.folder)
        self._downloader = downloader or shared_downloader()
        self._users = users
        self._now = now
        self._reach = PUBLIC_MODELS if public_only else ANYWHERE

    def reference(self, text: str) -> Reference:
        """Return what `text` names: short names are replaced, a path that exists is a path."""
        text = spelled_out(text)
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
        projector: bool = True,
        check: Check | None = None,
        progress: Report = ignore,
        cancel: threading.Event | None = None,
    ) -> StoredModel:
        """Bring the model that `text` names here, whole and verified, and return it.

        Files that are here already are linked; local files are used in place. `sha256` is what
        the main file must have; `trust` takes pickles; `force` fetches again what is here. Without
        `projector` a GGUF file of the hub comes alone. `check` refuses a model by raising, before
        its weights are fetched. `progress` is called from several threads.
        """
        reference = self.reference(text)
        if isinstance(reference, FileReference | PackageReference):
            return self._in_place(reference, trust, sha256, progress, cancel)
        artifact = self._resolved(reference, sha256, force, projector, cancel)
        if isinstance(artifact, StoredModel):
            progress(Progress(artifact.model.name, "linked", artifact.size, artifact.size))
            return artifact
        paths = [file.path for file in artifact.files if not file.archive]
        refuse_unsafe(paths, str(reference), trust)
        if not force and (kept := self._unpacked_before(artifact)) is not None:
            progress(Progress(artifact.files[0].path, "linked", kept.size, kept.size))
            return kept
        choices = Choices(trust, force, progress, cancel, check)
        pull = Pull(self.folder, self.records.all(), self._downloader, artifact, choices)
        with noted(self.folder, artifact.folder, self.lock):
            model = self._commit(artifact, pull.run())
        return replace(model, notes=(*model.notes, *pull.notes))

    def fetch(self, file: RemoteFile, target: Path, progress: Report = ignore) -> None:
        """Fetch one file to a place outside the store, checked as those of models are."""
        self._downloader.fetch(file, target, progress)

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
        found = place_of(path)
        for model in self.list():
            files = {self.folder / file.path for file in model.files}
            if found in files or found in {model.model, model.folder}:
                return model
        return None

    def remove(self, text: str, force: bool = False) -> Removed:
        """Remove a model, and those of its files that no other model needs.

        Raises NotInRegistry when it is not here, InUse when a process uses it, unless forced, and
        UnreadableRecord when nobody knows what other models need.
        """
        with self.lock():
            model = self._find_record(text)
            if model is None:
                raise self._unknown(text)
            return self._remove([model], force)

    def remove_all(self, references: Iterable[str], force: bool = False) -> Removed:
        """Remove models with what they alone need; where one is in use none, unless `force`d.

        One that another process has removed meanwhile is passed over. Raises InUse and
        UnreadableRecord.
        """
        with self.lock():
            found = (self.records.get(reference) for reference in references)
            return self._remove([model for model in found if model is not None], force)

    def prune(self, wanted: Pruning = Pruning()) -> Pruned:  # noqa: B008 - it is frozen
        """Remove what no model needs and nobody has touched for a while.

        Raises UnreadableRecord when nobody knows what the models need.
        """
        if not self.folder.is_dir():
            return Pruned((), 0)
        with self.lock():
            return prune(self.folder, self.records.all_of_them(), wanted, self._now())

    def usage(self) -> Usage:
        """Return how much room everything takes."""
        # Pulls make, look at and remove their notes under the same lock.
        with self._lock_to_look():
            pulls = notes(self.folder)
        return usage(self.folder, self.records.all(), pulls)

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

    def import_(
        self,
        source: Path,
        *,
        trust: bool = False,
        force: bool = False,
        accept: Callable[[Packed], None] = lambda _: None,
    ) -> Packed:
        """Take a model in that `export` wrote, each file verified.

        `accept` is called before the first byte and refuses by raising; `force` replaces the model
        that is here. Raises AlreadyThere for other content under the same name.
        """
        packed = look_into(source, self.folder, trust)
        accept(packed)
        folder = packed.model.folder.relative_to(self.folder).as_posix()
        refuse_other_content(packed.model, self.records.all_of_them(), source, force)
        with noted(self.folder, folder, self.lock):
            unpack_files(source, self.folder, packed)
            with self.lock():
                before = self.records.get(packed.model.reference)
                self.records.put(packed.model)
                if before is not None:
                    self._remove_replaced(before, packed.model)
        return packed

    def note_card(self, model: StoredModel, card: Path) -> None:
        """Note that a card uses the model: by its file, as other folders may have one so called."""
        if model.files:
            with self.lock():
                # What was said at this pull alone stays out of the record.
                noted = self.records.get(model.reference) or model
                self.records.with_cards(noted, str(place_of(card)))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from changing the records meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            wait_for_lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _lock_to_look(self) -> Iterator[None]:
        """Lock where this user may: who may not write here cannot disturb those who do."""
        if not os.access(self.folder / LOCK, os.W_OK):
            yield  # nor has anybody pulled into a store without that file
            return
        with self.lock():
            yield

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

    def _resolved(
        self,
        reference: Reference,
        sha256: str | None,
        force: bool,
        projector: bool,
        cancel: threading.Event | None,
    ) -> Artifact | StoredModel:
        """Ask the source for the files; where nobody can, what is here has to do."""
        before = self.records.get(str(reference))
        if before is not None and before.path_of("projector", self.folder):
            projector = True  # whoever wanted it may use it
        try:
            return expecting(resolve(reference, self._reach, projector, cancel), sha256)
        except FetchFailed as failure:
            known = None if force else self._known(reference, sha256)
            if known is None:
                raise
            # That it is not where the hub's own cache is does not count: it is in the store.
            is_offline = isinstance(failure, Offline)
            reason = "HF_HUB_OFFLINE forbids to ask the hub." if is_offline else failure.message
            note = f"{reason} The version that is here is taken."
            return replace(known, notes=(*known.notes, note))

    def _known(self, reference: Reference, sha256: str | None) -> StoredModel | Artifact | None:
        """Return what is here of a model whose source cannot be asked; None if that is not all."""
        model = self.find(str(reference))
        if model is None:
            artifact = artifact_from_records(reference, self.list())
            return None if artifact is None else expecting(within(artifact, self._reach), sha256)
        main = next((file for file in model.files if self.folder / file.path == model.model), None)
        fits = sha256 is None or (main is not None and main.sha256 == sha256.lower())
        return model if fits else None

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

    # --- removing ---

    def _remove(self, models: Sequence[StoredModel], force: bool) -> Removed:
        """Forget models, and remove the files that only they need; the lock has to be held."""
        all_models = self.records.all_of_them()
        references = {model.reference for model in models}
        needed = {
            file.path for one in all_models if one.reference not in references for file in one.files
        }
        own = {file.path: file for model in models for file in model.files}
        gone = [file for path, file in own.items() if path not in needed]
        paths = [self.folder / file.path for file in gone]
        names = ("One of " if len(references) > 1 else "") + ", ".join(sorted(references))
        with nullcontext() if force else unused(names, paths, self._users):
            for reference in references:
                self.records.remove(reference)
            removed = remove_files(self.folder, gone, given_to_cache(all_models))
        return replace(removed, kept=tuple(path for path in own if path in needed))

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
                raise Overtaken(f"{gone[0]} was removed while {reference} was fetched: pull again.")
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
            self.records.replace_files(model)
            if before is not None:
                self._remove_replaced(before, model)
            return model

    def _remove_replaced(self, before: StoredModel, model: StoredModel) -> None:
        """Remove files of the model's former version that nobody needs any more."""
        try:
            models = self.records.all_of_them()
        except UnreadableRecord as error:
            _LOG.warning("Files of the former %s stay: %s", model.reference, error.message)
            return
        needed = {file.path for one in models for file in one.files}
        gone = [file for file in before.files if file.path not in needed]
        remove_files(self.folder, gone, given_to_cache([*models, before]))
