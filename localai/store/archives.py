"""The archives of a pull: fetched beside their folder, unpacked into it in order, and removed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localai.file_locks import try_lock
from localai.store.artifact import Artifact, RemoteFile, kind_of
from localai.store.cancellation import Cancellation
from localai.store.choices import Choices
from localai.store.errors import Cancelled
from localai.store.flights import Downloader
from localai.store.hashing import sha256_of
from localai.store.progress import Progress
from localai.store.records import StoredFile, StoredModel
from localai.store.unpack import WORK, make_links, unpack

_LOCK_PAUSE = 0.1


@dataclass(frozen=True)
class Archives:
    """What unpacks the archives of `artifact` into its folder in `store`, which has `models`."""

    store: Path
    models: Sequence[StoredModel]
    downloader: Downloader
    artifact: Artifact
    choices: Choices
    stop: Cancellation

    def place_of(self, file: RemoteFile) -> Path:
        """Return where an archive lies until it is unpacked."""
        return self._folder / f".{file.path}"

    def obtain(self, file: RemoteFile) -> None:
        """Fetch an archive, unless what came of it is here."""
        if not self._kept(file):
            self._fetch(file)

    def unpack_all(self, archives: Iterable[RemoteFile]) -> list[StoredFile]:
        """Unpack in order, as a later layer of an image replaces files of an earlier one."""
        with self._alone():
            self._remove_leftovers()
            came: list[StoredFile] = []
            links: dict[str, tuple[str, str]] = {}
            for file in archives:
                names, waiting = self._unpack(file)
                came += names
                relative = {one.path.removeprefix(f"{self.artifact.folder}/") for one in names}
                links = {name: one for name, one in links.items() if name not in relative}
                links |= {name: (target, file.source) for name, target in waiting.items()}
            return came + self._make_links(links)

    @property
    def _folder(self) -> Path:
        return self.store / self.artifact.folder

    def _fetch(self, file: RemoteFile) -> None:
        self.downloader.fetch(file, self.place_of(file), self.choices.progress, self.stop)

    def _kept(self, file: RemoteFile) -> list[StoredFile]:
        """Return what came of the archive at an earlier pull, nothing where any of it is gone."""
        reference = str(self.artifact.reference)
        came = [
            one
            for model in self.models
            if model.reference == reference and model.revision == self.artifact.revision
            for one in model.files
            if one.origin == file.source and one.how == "unpacked"
        ]
        whole = all(one.is_whole(self.store) for one in came)
        return came if whole and not self.choices.force else []

    def _unpack(self, file: RemoteFile) -> tuple[list[StoredFile], Mapping[str, str]]:
        """Return the files of an archive, and its links that may lead into a later one."""
        if kept := self._kept(file):
            size = sum(one.size for one in kept)
            self.choices.progress(Progress(file.path, "linked", size, size))
            return kept, {}
        archive, trust = self.place_of(file), self.choices.trust
        if not archive.exists():  # another process has unpacked it, and removed it
            self._fetch(file)
        size = archive.stat().st_size
        self.choices.progress(Progress(file.path, "unpacking", size, size))
        try:
            came = unpack(archive, self._folder, file.inside, trust=trust, source=file.source)
        finally:
            archive.unlink(missing_ok=True)
        return [self._unpacked(name, file.source) for name in came.files], came.links

    def _make_links(self, links: Mapping[str, tuple[str, str]]) -> list[StoredFile]:
        targets = {name: target for name, (target, _) in links.items()}
        made = make_links(
            self._folder, targets, trust=self.choices.trust, source=str(self.artifact.reference)
        )
        return [self._unpacked(name, links[name][1]) for name in made]

    def _remove_leftovers(self) -> None:
        """Remove what a killed process has half unpacked: nobody else unpacks here now."""
        for folder in self._folder.glob(f"{WORK}*"):
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from unpacking into the same folder meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while not try_lock(descriptor):
                if self.stop.is_set():
                    raise Cancelled(f"Unpacking into {self._folder} was cancelled.")
                time.sleep(_LOCK_PAUSE)
            yield
        finally:
            os.close(descriptor)

    def _unpacked(self, name: str, origin: str) -> StoredFile:
        path = self._folder / name
        relative = f"{self.artifact.folder}/{name}"
        digest, size = sha256_of(path), path.stat().st_size
        return StoredFile(relative, digest, size, kind_of(name), "unpacked", origin)


def unpacked_before(
    artifact: Artifact, before: StoredModel | None, store: Path
) -> StoredModel | None:
    """Return `before` if it came of the same archives, whole: not each of them leaves files."""
    archives = artifact.revision and any(file.archive for file in artifact.files)
    if not archives or before is None or before.revision != artifact.revision:
        return None
    return before if before.is_whole(store) else None
