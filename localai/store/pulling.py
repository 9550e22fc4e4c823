"""One pull: each file of an artifact kept, linked or fetched, several at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from localai.errors import RequestError
from localai.references import HubReference
from localai.store.archives import Archives
from localai.store.artifact import Artifact, RemoteFile
from localai.store.cancellation import Cancellation
from localai.store.choices import Choices
from localai.store.errors import Cancelled, FetchFailed, Overtaken, StoreError
from localai.store.flights import Downloader
from localai.store.glance import glance
from localai.store.hub_cache import add_to_cache
from localai.store.linking import copies, is_the_file, link
from localai.store.partial import bytes_there
from localai.store.preview import look_ahead
from localai.store.progress import Progress
from localai.store.records import How, StoredFile, StoredModel
from localai.store.room import check_room

_FILES_AT_ONCE = 3


class Pull:
    """The files of one artifact on their way into the store at `folder`."""

    def __init__(
        self,
        folder: Path,
        models: Sequence[StoredModel],
        downloader: Downloader,
        artifact: Artifact,
        choices: Choices,
    ) -> None:
        self._store = folder
        self._models = models
        self._downloader = downloader
        self._artifact = artifact
        self._folder = folder / artifact.folder
        self._choices = choices
        self._report = choices.progress
        self._stop = Cancellation(choices.cancel)
        self._archives = Archives(folder, models, downloader, artifact, choices, self._stop)
        self.notes: list[str] = []

    def run(self) -> list[StoredFile]:
        """Return all files, each whole and verified; the first failure ends the others."""
        files = [replace(file, trusted=self._choices.trust) for file in self._artifact.files]
        self._check_space(files)
        if self._choices.check is not None and not self._has_begun(files):
            missing = [file for file in files if not self._is_near(file)]
            look_ahead(self._artifact, missing, self._downloader, self._choices.check, self._stop)
        archives = [file for file in files if file.archive]
        try:
            obtained = self._obtain_all(files)
            return obtained + (self._archives.unpack_all(archives) if archives else [])
        except FileNotFoundError as error:
            reference = self._artifact.reference
            raise Overtaken(
                f"{error.filename} was removed while {reference} was fetched: pull again."
            ) from error

    def _obtain_all(self, files: Iterable[RemoteFile]) -> list[StoredFile]:
        with ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="pull") as pool:
            futures = [pool.submit(self._obtain, file) for file in files]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return [one for future in futures if (one := future.result()) is not None]

    def _check_space(self, files: Iterable[RemoteFile]) -> None:
        """Refuse before the first byte what cannot fit."""
        self._store.mkdir(parents=True, exist_ok=True)
        needed = sum(self._missing(file) for file in files if not self._is_near(file))
        check_room(self._store, needed)

    def _missing(self, file: RemoteFile) -> int:
        """Return how many bytes the file will still take: what an earlier pull left goes on."""
        target = self._archives.place_of(file) if file.archive else self._folder / file.path
        return max(0, (file.size or 0) - bytes_there(target, file))

    def _is_near(self, file: RemoteFile) -> bool:
        here = (self._folder / file.path).exists() and not self._choices.force
        return here or next(self._copies(file), None) is not None

    def _has_begun(self, files: Iterable[RemoteFile]) -> bool:
        """Tell whether weights are here, at least a part: they were looked at before they came."""
        main = self._artifact.model
        weights = [one for one in files if one.path == main or (not main and one.kind == "model")]
        return any(
            bytes_there(self._folder / file.path, file) > 0
            or ((self._folder / file.path).exists() and not self._choices.force)
            for file in weights
        )

    def _copies(self, file: RemoteFile) -> Iterator[Path]:
        if self._choices.force and not file.url.startswith("file:"):
            return iter(())
        return copies(self._artifact, file, self._store, self._models)

    def _obtain(self, file: RemoteFile) -> StoredFile | None:
        """Return the file, whole; None for an archive, which is unpacked when all are there."""
        if self._stop.is_set():
            raise Cancelled(f"Fetching {file.path} was cancelled.")
        if not file.archive:
            return self._keep(file) or self._link(file) or self._fetch(file)
        self._archives.obtain(file)
        return None

    def _keep(self, file: RemoteFile) -> StoredFile | None:
        """Return what is noted of the file if it is here and is the one wanted."""
        relative = f"{self._artifact.folder}/{file.path}"
        noted = [one for model in self._models for one in model.files if one.path == relative]
        for one in noted:
            wanted = file.sha256 in {None, one.sha256} and file.git_oid in {None, one.git_oid}
            fits = file.size in {None, one.size} and one.is_whole(self._store)
            if wanted and fits and not self._choices.force and not self._has_changed(file, one):
                self._report(Progress(file.path, "linked", one.size, one.size))
                return one
        return None

    def _has_changed(self, file: RemoteFile, noted: StoredFile) -> bool:
        """Ask for the version of a file of which its source tells no hash before it is fetched."""
        if file.sha256 or file.git_oid or noted.version is None:
            return False
        try:
            seen, why = glance(file, 1, self._stop), f"{file.source} does not answer."
        except Cancelled:
            raise
        except (StoreError, RequestError) as error:
            seen, why = None, error.reason if isinstance(error, FetchFailed) else error.message
        if seen is None:  # what is here has to do
            self.notes.append(f"{why} The version that is here is taken.")
        return seen is not None and seen.version not in {None, noted.version}

    def _link(self, file: RemoteFile) -> StoredFile | None:
        """Return the file linked to a copy that another program or model has."""
        for path in self._copies(file):
            digest = is_the_file(path, file, self._report, self._stop)
            if digest is not None:
                link(path, self._folder / file.path)
                stored = self._stored(file, digest, "linked", str(path))
                self._report(Progress(file.path, "linked", stored.size, stored.size))
                return stored
        return None

    def _fetch(self, file: RemoteFile) -> StoredFile:
        target = self._folder / file.path
        fetched = self._downloader.fetch(file, target, self._report, self._stop)
        stored = self._stored(file, fetched.sha256, "fetched", file.source)
        return self._share(replace(stored, version=fetched.version), file)

    def _share(self, stored: StoredFile, file: RemoteFile) -> StoredFile:
        """Give the file to the hub's cache, where that is on the same disk and can be written."""
        reference, commit = self._artifact.reference, self._artifact.revision
        if not isinstance(reference, HubReference) or not commit:
            return stored
        content = file.git_oid or stored.sha256
        try:
            blob = add_to_cache(
                self._folder / file.path, reference.repo, reference.revision, commit, file.path,
                content,
            )  # fmt: skip
        except OSError:
            return stored
        return stored if blob is None else replace(stored, cached=str(blob))

    def _stored(self, file: RemoteFile, digest: str, how: How, origin: str) -> StoredFile:
        return StoredFile(
            path=f"{self._artifact.folder}/{file.path}",
            sha256=digest,
            size=(self._folder / file.path).stat().st_size,
            kind=file.kind,
            how=how,
            origin=origin,
            git_oid=file.git_oid,
        )
