"""A model as one tar, for machines that no network reaches: its files, its record and its card."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from localai.store.content import refuse_unsafe
from localai.store.errors import UnreadableArtifact, UnsafeFile
from localai.store.partial import no_space, wrong_hash
from localai.store.records import StoredFile, StoredModel
from localai.store.references import check_relative_path

FORMAT = 1
_RECORD, _CARD, _FILES = "model.json", "card.yaml", "files/"
_LARGEST_TEXT = 4 << 20
_ROOTS = ("hf/", "ollama/", "oci/", "url/", "imported/")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Packed:
    """What came out of a tar: the model, and its card's text, `` where there was none."""

    model: StoredModel
    card: str


def pack(model: StoredModel, files: Mapping[str, Path], card: str, target: Path) -> int:
    """Write `model` with `files` (by their paths in the store) to `target`; return its size.

    Raises DiskFull before the first byte.
    """
    needed = sum(path.stat().st_size for path in files.values())
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise no_space(target.parent, needed, free)
    part = target.with_name(f".{target.name}.part")
    try:
        with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
            _add_text(tar, _RECORD, json.dumps(_record(model), indent=2))
            _add_text(tar, _CARD, card)
            for name, path in files.items():
                with path.open("rb") as content:
                    member = tarfile.TarInfo(_FILES + name)
                    member.size = os.fstat(content.fileno()).st_size
                    tar.addfile(member, content)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def unpack_model(source: Path, store: Path, trust: bool = False) -> Packed:
    """Put the files of the tar `source` into `store`, each verified, and return what came.

    Raises UnreadableArtifact for a tar of another kind, UnsafeFile for pickles and paths that
    leave the store, WrongFile for a hash that does not fit.
    """
    try:
        with tarfile.open(source, "r:") as tar:
            texts = _Texts(tar)
            model = _model(texts.read(_RECORD), store)
            card = texts.read(_CARD).decode("utf-8")
            _check(model, store, trust, source)
            expected = {_FILES + file.path: file for file in model.files}
            for member in tar:
                if (file := expected.pop(member.name, None)) is not None:
                    _put(tar, member, file, store / file.path)
    except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError) as error:
        raise UnreadableArtifact(
            f"{source} is not a model that `localai export` wrote: {error}."
        ) from error
    if expected:
        raise UnreadableArtifact(f"{source} lacks {next(iter(expected))}.")
    return Packed(model, card)


class _Texts:
    """The two texts at the beginning of the tar."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def read(self, name: str) -> bytes:
        member = self._tar.next()
        if member is None or member.name != name or not member.isfile():
            raise ValueError(f"it does not begin with {name}")
        content = self._tar.extractfile(member)
        if content is None or member.size > _LARGEST_TEXT:
            raise ValueError(f"its {name} is too large")
        return content.read()


def _record(model: StoredModel) -> dict[str, Any]:
    files = [asdict(replace(file, cached=None)) for file in model.files]
    return {
        "format": FORMAT,
        "reference": model.reference,
        "folder": model.folder.as_posix(),
        "model": model.model.as_posix(),
        "files": files,
        "pulled": model.pulled,
        "revision": model.revision,
    }


def _model(content: bytes, store: Path) -> StoredModel:
    data = json.loads(content)
    if not isinstance(data, dict) or data["format"] != FORMAT:
        raise ValueError("its format is another one")
    files = tuple(StoredFile(**file) for file in data["files"])
    folder, model = (store / check_relative_path(data[key]) for key in ("folder", "model"))
    return StoredModel(
        str(data["reference"]), folder, model, files, float(data["pulled"]), str(data["revision"])
    )


def _check(model: StoredModel, store: Path, trust: bool, source: Path) -> None:
    for path in (file.path for file in model.files):
        check_relative_path(path)
        if not path.startswith(_ROOTS):
            raise UnsafeFile(f"{source} wants to write '{path}': it is refused.")
    refuse_unsafe([file.path for file in model.files], str(source), trust)
    needed = sum(file.size for file in model.files if not (store / file.path).exists())
    store.mkdir(parents=True, exist_ok=True)
    if needed > (free := shutil.disk_usage(store).free):
        raise no_space(store, needed, free)


def _put(tar: tarfile.TarFile, member: tarfile.TarInfo, file: StoredFile, target: Path) -> None:
    content = tar.extractfile(member)
    if content is None or member.size != file.size:
        raise ValueError(f"{member.name} is not the file that it should be")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.import")
    try:
        with part.open("wb") as to:
            found = _copy(content, to)
        if found != file.sha256:
            raise wrong_hash(member.name, found, file.sha256)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _copy(content: IO[bytes], to: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := content.read(_BLOCK):
        digest.update(block)
        to.write(block)
    to.flush()
    os.fsync(to.fileno())
    return digest.hexdigest()


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
