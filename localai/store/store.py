"""The store: models on this machine under real names, fetched once, shared and counted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from localai.file_locks import wait_for_lock
from localai.files import place_of
from localai.network.reach import ANYWHERE, PUBLIC_MODELS
from localai.references import FileReference, PackageReference, Reference
from localai.store.archives import unpacked_before
from localai.store.artifact import Artifact, RemoteFile
from localai.store.choices import Choices
from localai.store.cleaning import Pruned, Pruning, Usage, prune, usage
from localai.store.content import refuse_unsafe
from localai.store.errors import FetchFailed, NotInRegistry, Offline, Overtaken, wrong_hash
from localai.store.finding import find_record, owner_of, reference_of
from localai.store.flights import Downloader, shared_downloader
from localai.store.hashing import sha256_of
from localai.store.in_use import users_of
from localai.store.layout import LOCK
from localai.store.main_file import main_path
from localai.store.offline import artifact_from_records
from localai.store.packing import (
    Packed,
    look_into,
    pack,
    portable,
    refuse_other_content,
    unpack_files,
)
from localai.store.preview import Check
from localai.store.progress import Progress, Report, ignore
from localai.store.pulling import Pull
from localai.store.records import Records, StoredFile, StoredModel
from localai.store.removing import Removed, Users, remove_models, remove_replaced
from localai.store.resolving import expecting, resolve, within
from localai.store.transports import local
from localai.store.underway import marked, marks


class Store:
    """The models below `folder`, which is made at the first use."""

    def __init__(
        self,
        folder: Path,
        *,
        downloader: Downloader | None = None,
        users: Users = users_of,
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
        return reference_of(text)

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
        choices = Choices(trust, sha256, force, projector, check, progress, cancel)
        reference = self.reference(text)
        if isinstance(reference, FileReference | PackageReference):
            return self._in_place(reference, choices)
        try:
            artifact = self._resolve(reference, choices)
        except FetchFailed as failure:
            return self._without_source(reference, choices, failure)
        return self._bring(artifact, choices)

    def fetch(self, file: RemoteFile, target: Path, progress: Report = ignore) -> None:
        """Fetch one file to a place outside the store, checked as those of models are."""
        self._downloader.fetch(file, target, progress)

    def find(self, text: str) -> StoredModel | None:
        """Return the model of a reference, a name it was copied to, or the start of its id.

        None where it is not here, or not whole any more.
        """
        model = find_record(self.records, text)
        return model if model is not None and model.is_whole(self.folder) else None

    def list(self) -> list[StoredModel]:
        """Return the models whose records can be read."""
        return self.records.readable()

    def owner_of(self, path: Path) -> StoredModel | None:
        """Return the model that a file or folder of the store belongs to."""
        return owner_of(path, self.list(), self.folder)

    def remove(self, text: str, force: bool = False) -> Removed:
        """Remove a model, and those of its files that no other model needs.

        Raises NotInRegistry when it is not here, InUse when a process uses it, unless forced, and
        UnreadableRecord when nobody knows what other models need.
        """
        with self.lock():
            model = find_record(self.records, text)
            if model is None:
                raise NotInRegistry(f"There is no model '{text}' in the store: see `localai list`.")
            return remove_models(self.records, [model], self._users, force)

    def remove_all(self, references: Iterable[str], force: bool = False) -> Removed:
        """Remove models with what they alone need; where one is in use none, unless `force`d.

        One that another process has removed meanwhile is passed over. Raises InUse and
        UnreadableRecord.
        """
        with self.lock():
            found = (self.records.get(reference) for reference in references)
            models = [model for model in found if model is not None]
            return remove_models(self.records, models, self._users, force)

    def prune(self, wanted: Pruning = Pruning()) -> Pruned:  # noqa: B008 - it is frozen
        """Remove what no model needs and nobody has touched for a while.

        Raises UnreadableRecord when nobody knows what the models need.
        """
        if not self.folder.is_dir():
            return Pruned((), 0)
        with self.lock():
            return prune(self.folder, self.records.all(), wanted, self._now())

    def usage(self) -> Usage:
        """Return how much room everything takes."""
        # Pulls make, look at and remove their marks under the same lock.
        with self._lock_to_look():
            pulls = marks(self.folder)
        return usage(self.folder, self.list(), pulls)

    def export(self, model: StoredModel, target: Path, card: str = "") -> int:
        """Write a model and its card's text to one tar, and return how large it is.

        A model that is used in place goes along as if it had been pulled.
        """
        model, files = portable(model, self.folder)
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
        refuse_other_content(packed.model, self.records.all(), source, force)
        with marked(self.folder, folder, self.lock):
            unpack_files(source, self.folder, packed)
            with self.lock():
                before = self.records.get(packed.model.reference)
                self.records.put(packed.model)
                if before is not None:
                    remove_replaced(self.records, before, packed.model)
        return packed

    def note_card(self, model: StoredModel, card: Path) -> None:
        """Note that a card uses the model: by its file, as other folders may have one so called."""
        if model.files:
            with self.lock():
                # What was said at this pull alone stays out of the record.
                kept = self.records.get(model.reference) or model
                self.records.with_cards(kept, str(place_of(card)))

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

    def _in_place(
        self, reference: FileReference | PackageReference, choices: Choices
    ) -> StoredModel:
        path = local.locate(reference)
        if path.is_file():
            refuse_unsafe([path.name], str(path), choices.trust)
        if choices.sha256 is not None:
            found = sha256_of(path, choices.progress, choices.cancel)
            if found != choices.sha256.lower():
                raise wrong_hash(str(path), found, choices.sha256.lower())
        folder = path if path.is_dir() else path.parent
        return StoredModel(str(reference), folder, path, pulled=self._now())

    def _resolve(self, reference: Reference, choices: Choices) -> Artifact:
        """Ask the source for the files."""
        before = self.records.get(str(reference))
        # Whoever wanted the projector at an earlier pull may use it.
        had_one = before is not None and before.path_of("projector", self.folder) is not None
        projector = choices.projector or had_one
        found = resolve(reference, self._reach, projector, choices.cancel)
        return expecting(found, choices.sha256)

    def _without_source(
        self, reference: Reference, choices: Choices, failure: FetchFailed
    ) -> StoredModel:
        """Return what is here of a model whose source cannot be asked.

        Raises `failure` where that is not all, and where what is here is not wanted.
        """
        if choices.force:
            raise failure
        # That it is not where the hub's own cache is does not count: it is in the store.
        is_offline = isinstance(failure, Offline)
        reason = f"HF_HUB_OFFLINE forbids to ask for {reference}." if is_offline else failure.reason
        note = f"{reason} The version that is here is taken."
        if (model := self.find(str(reference))) is not None:
            if choices.sha256 is not None and not model.has_hash(choices.sha256, self.folder):
                raise failure
            choices.progress(Progress(model.model.name, "linked", model.size, model.size))
            return replace(model, notes=(*model.notes, note))
        artifact = artifact_from_records(reference, self.list())
        if artifact is None:
            raise failure
        artifact = expecting(within(artifact, self._reach), choices.sha256)
        return self._bring(replace(artifact, notes=(*artifact.notes, note)), choices)

    def _bring(self, artifact: Artifact, choices: Choices) -> StoredModel:
        """Bring the files of `artifact` here, and note the model."""
        paths = [file.path for file in artifact.files if not file.archive]
        refuse_unsafe(paths, str(artifact.reference), choices.trust)
        before = self.records.get(str(artifact.reference))
        kept = None if choices.force else unpacked_before(artifact, before, self.folder)
        if kept is not None:
            choices.progress(Progress(artifact.files[0].path, "linked", kept.size, kept.size))
            return kept
        files = () if before is None else before.files
        damages = {one.path: said for one in files if (said := one.damage(self.folder))}
        pull = Pull(self.folder, self.list(), self._downloader, artifact, choices)
        with marked(self.folder, artifact.folder, self.lock):
            model = self._commit(artifact, pull.run())
        mended = (damages[one.path] for one in model.files if one.path in damages)
        again = (f"{damage}: it was brought here again." for damage in mended)
        return replace(model, notes=(*model.notes, *again, *pull.notes))

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
                remove_replaced(self.records, before, model)
            return model
