"""One pull: each file of an artifact kept, linked, unpacked or fetched, several at a time."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from localai.errors import InvalidReference, RequestError
from localai.file_locks import try_lock
from localai.references import HubReference
from localai.store.artifact import Artifact, RemoteFile
from localai.store.download import Downloader
from localai.store.errors import Cancelled, Overtaken, StoreError, UnreadableArtifact
from localai.store.gguf_files import is_gguf, is_projector
from localai.store.glance import glance
from localai.store.hashing import sha256_of
from localai.store.hub_cache import add_to_cache
from localai.store.linking import copies, is_the_file, link
from localai.store.partial import bytes_there, no_space, wrong_hash
from localai.store.preview import Check, look_ahead
from localai.store.progress import Progress, Report, ignore
from localai.store.records import How, StoredFile, StoredModel
from localai.store.transports.hub import kind_of
from localai.store.unpack import WORK, make_links, unpack

_FILES_AT_ONCE = 3
_LOCK_PAUSE = 0.1


@dataclass(frozen=True)
class Choices:
    """How a caller wants a model pulled."""

    trust: bool = False
    force: bool = False
    progress: Report = ignore
    cancel: threading.Event | None = None
    check: Check | None = None


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
        self._stop = _Stop(choices.cancel)
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
            return obtained + (self._unpack_all(archives) if archives else [])
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
        free = shutil.disk_usage(self._store).free
        if needed > free:
            raise no_space(self._store, needed, free)

    def _missing(self, file: RemoteFile) -> int:
        """Return how many bytes the file will still take: what an earlier pull left goes on."""
        target = self._archive(file) if file.archive else self._folder / file.path
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
        if not self._keep_unpacked(file):
            self._downloader.fetch(file, self._archive(file), self._report, self._stop)
        return None

    def _keep(self, file: RemoteFile) -> StoredFile | None:
        """Return what is noted of the file if it is here and is the one wanted."""
        relative = f"{self._artifact.folder}/{file.path}"
        noted = [one for model in self._models for one in model.files if one.path == relative]
        for one in noted:
            wanted = file.sha256 in {None, one.sha256} and file.git_oid in {None, one.git_oid}
            fits = file.size in {None, one.size} and has_size(self._store / relative, one.size)
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
            seen, why = None, error.message
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

    def _keep_unpacked(self, file: RemoteFile) -> list[StoredFile]:
        """Return what came of the archive at an earlier pull, nothing where any of it is gone."""
        reference = str(self._artifact.reference)
        came = [
            one
            for model in self._models
            if model.reference == reference and model.revision == self._artifact.revision
            for one in model.files
            if one.origin == file.source and one.how == "unpacked"
        ]
        whole = all(has_size(self._store / one.path, one.size) for one in came)
        return came if whole and not self._choices.force else []

    def _unpack_all(self, archives: Iterable[RemoteFile]) -> list[StoredFile]:
        """Unpack in order, as a later layer of an image replaces files of an earlier one."""
        with self._alone():
            self._remove_leftovers()
            came: list[StoredFile] = []
            links: dict[str, tuple[str, str]] = {}
            for file in archives:
                names, waiting = self._unpack(file)
                came += names
                relative = {one.path.removeprefix(f"{self._artifact.folder}/") for one in names}
                links = {name: one for name, one in links.items() if name not in relative}
                links |= {name: (target, file.source) for name, target in waiting.items()}
            return came + self._make_links(links)

    def _unpack(self, file: RemoteFile) -> tuple[list[StoredFile], Mapping[str, str]]:
        """Return the files of an archive, and its links that may lead into a later one."""
        if kept := self._keep_unpacked(file):
            size = sum(one.size for one in kept)
            self._report(Progress(file.path, "linked", size, size))
            return kept, {}
        archive, trust = self._archive(file), self._choices.trust
        if not archive.exists():  # another process has unpacked it, and removed it
            self._downloader.fetch(file, archive, self._report, self._stop)
        size = archive.stat().st_size
        self._report(Progress(file.path, "unpacking", size, size))
        try:
            came = unpack(archive, self._folder, file.inside, trust=trust, source=file.source)
        finally:
            archive.unlink(missing_ok=True)
        return [self._unpacked(name, file.source) for name in came.files], came.links

    def _make_links(self, links: Mapping[str, tuple[str, str]]) -> list[StoredFile]:
        targets = {name: target for name, (target, _) in links.items()}
        made = make_links(
            self._folder, targets, trust=self._choices.trust, source=str(self._artifact.reference)
        )
        return [self._unpacked(name, links[name][1]) for name in made]

    def _remove_leftovers(self) -> None:
        """Remove what a killed process has half unpacked: nobody else unpacks here now."""
        for folder in self._folder.glob(f"{WORK}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _archive(self, file: RemoteFile) -> Path:
        return self._folder / f".{file.path}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from unpacking into the same folder meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while not try_lock(descriptor):
                if self._stop.wait(_LOCK_PAUSE) or self._stop.is_set():
                    raise Cancelled(f"Unpacking into {self._folder} was cancelled.")
            yield
        finally:
            os.close(descriptor)

    def _unpacked(self, name: str, origin: str) -> StoredFile:
        path = self._folder / name
        relative = f"{self._artifact.folder}/{name}"
        digest, size = sha256_of(path), path.stat().st_size
        return StoredFile(relative, digest, size, kind_of(name, ""), "unpacked", origin)

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


class _Stop(threading.Event):
    """An event of its own that is also set when another one is."""

    def __init__(self, other: threading.Event | None) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or (self._other is not None and self._other.is_set())


def expecting(artifact: Artifact, sha256: str | None) -> Artifact:
    """Return the artifact with the hash that the caller says its main file must have.

    Raises WrongFile at once where the source itself names another one.
    """
    if sha256 is None:
        return artifact
    wanted, main = sha256.lower(), artifact.model or artifact.files[0].path
    if all(file.path != main for file in artifact.files):
        raise InvalidReference(
            f"{artifact.reference} is a folder of files, and a sha256 is of one file: leave it out."
        )
    files = []
    for file in artifact.files:
        if file.path == main and file.sha256 not in {None, wanted}:
            raise wrong_hash(file.source, str(file.sha256), wanted)
        files.append(replace(file, sha256=wanted) if file.path == main else file)
    return replace(artifact, files=tuple(files))


def main_path(artifact: Artifact, files: Iterable[StoredFile]) -> str:
    """Return the path of the main file, or of the folder, from the store's folder."""
    if artifact.model:
        return f"{artifact.folder}/{artifact.model}"
    paths = sorted(file.path for file in files)
    if not paths:
        raise UnreadableArtifact(f"{artifact.reference} holds no model: no file came of it.")
    ggufs = [path for path in paths if is_gguf(path) and not is_projector(path)]
    voices = [path for path in paths if path.endswith(".onnx")]
    named = [path for path in paths if path.endswith("/model.file")]
    if ggufs:  # of a split file the first part
        return ggufs[0]
    if len(voices) == 1:
        return voices[0]
    return named[0] if named else artifact.folder


def has_size(path: Path, size: int) -> bool:
    """Tell whether there is a file of `size` bytes."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False
