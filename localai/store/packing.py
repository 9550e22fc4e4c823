"""A model as one tar, for machines that no network reaches: its files, its record and its card."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, get_args

from localai.errors import InvalidReference
from localai.references import check_relative_path
from localai.store.artifact import Kind
from localai.store.content import refuse_unsafe
from localai.store.errors import AlreadyThere, UnreadableArtifact, UnsafeFile, wrong_hash
from localai.store.foreign_card import refuse_programs, refuse_unsafe_card
from localai.store.hashing import sha256_of
from localai.store.layout import is_below_roots
from localai.store.records import StoredFile, StoredModel, stored_file
from localai.store.room import check_room, is_full, no_room

FORMAT = 1
_RECORD, _CARD, _FILES = "model.json", "card.yaml", "files/"
_LARGEST_TEXT = 4 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
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
    elsewhere = f"choose another place for {target.name}"
    check_room(target.parent, needed, elsewhere)
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
    except OSError as error:
        if is_full(error):
            raise no_room(target.parent, needed, elsewhere) from error
        raise
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def portable(model: StoredModel, store: Path) -> tuple[StoredModel, dict[str, Path]]:
    """Return the model as if it had been pulled, and where its files lie, by their paths there.

    Raises InvalidReference for a folder that is used in place.
    """
    if model.files:
        return model, {file.path: store / file.path for file in model.files}
    if not model.model.is_file():
        raise InvalidReference(f"{model.model} is a folder: only pulled folders are exported.")
    path = f"imported/{model.model.stem}/{model.model.name}"
    check_relative_path(path)
    size = model.model.stat().st_size
    file = StoredFile(path, sha256_of(model.model), size, "model", "unpacked", model.reference)
    target = store / path
    moved = replace(model, folder=target.parent, model=target, files=(file,))
    return moved, {path: model.model}


def look_into(source: Path, store: Path, trust: bool = False) -> Packed:
    """Return the model and the card of the tar `source`, before any of its files.

    Raises UnreadableArtifact for a tar of another kind; unless `trust`, UnsafeFile for pickles,
    programs, and cards that let them run or name files outside the store.
    """
    with _opened(source) as tar:
        packed = _head(tar, store)
    paths = [file.path for file in packed.model.files]
    for path in (*paths, _relative(packed.model.folder, store)):
        if not is_below_roots(path):
            raise UnsafeFile(f"{source} wants to write '{path}': it is refused.")
    refuse_unsafe(paths, str(source), trust)
    refuse_programs(paths, str(source), trust)
    refuse_unsafe_card(packed.card, str(source), trust)
    return packed


def refuse_other_content(
    model: StoredModel, models: Iterable[StoredModel], source: Path, force: bool
) -> None:
    """Raise AlreadyThere when the store has other content under the model's name or its files.

    `force` replaces the model itself, and never a file that another one needs.
    """
    wanted = {file.path: file.sha256 for file in model.files}
    for one in models:
        if one.reference == model.reference:
            if one.id != model.id and not force:
                raise AlreadyThere(
                    f"{one.reference} is in the store already, with other content than {source} "
                    "has: remove it first (`localai rm`), or replace it with --force."
                )
            continue
        for file in one.files:
            if wanted.get(file.path, file.sha256) != file.sha256:
                raise AlreadyThere(
                    f"{source} has another {file.path} than {one.reference}, which is in the "
                    f"store and needs it: remove that first (`localai rm {one.reference}`)."
                )


def unpack_files(source: Path, store: Path, packed: Packed) -> None:
    """Put the files of the tar `source` into `store`, each verified.

    Raises WrongFile for a hash that does not fit, DiskFull before the first byte.
    """
    _check_space(packed.model, store)
    expected = {_FILES + file.path: file for file in packed.model.files}
    with _opened(source) as tar:
        if _head(tar, store) != packed:
            raise UnreadableArtifact(f"{source} changes while it is read.")
        for member in tar:
            if (file := expected.pop(member.name, None)) is not None:
                _put(tar, member, file, store / file.path)
    if expected:
        raise UnreadableArtifact(
            f"{source} is cut off: it lacks {next(iter(expected))}. Copy it again."
        )


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, "r:") as tar, _whole(source):
            yield tar
    except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise UnreadableArtifact(
            f"{source} is not a model that `localai export` wrote: {error}."
        ) from error


@contextmanager
def _whole(source: Path) -> Iterator[None]:
    # What begins as a tar and cannot be read on has lost its end.
    try:
        yield
    except tarfile.ReadError as error:
        raise UnreadableArtifact(f"{source} is cut off ({error}): copy it again.") from error


def _head(tar: tarfile.TarFile, store: Path) -> Packed:
    texts = _Texts(tar)
    return Packed(_model(texts.read(_RECORD), store), texts.read(_CARD).decode("utf-8"))


class _Texts:
    """The two texts at the beginning of the tar."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def read(self, name: str) -> bytes:
        member = self._tar.next()
        if member is None and name != _RECORD:
            raise tarfile.ReadError(f"it ends before {name}")
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
    files = tuple(_file(one) for one in data["files"])
    folder, model = (store / check_relative_path(data[key]) for key in ("folder", "model"))
    if model != folder and folder not in model.parents:
        raise ValueError("its model lies outside its folder")
    return StoredModel(
        str(data["reference"]), folder, model, files, float(data["pulled"]), str(data["revision"])
    )


def _file(data: dict[str, Any]) -> StoredFile:
    file = stored_file(data)
    check_relative_path(file.path)
    if not _SHA256.fullmatch(file.sha256) or file.kind not in get_args(Kind):
        raise ValueError(f"what it says of {file.path} is no description of a file")
    # What it has given to a cache is another machine's business.
    return replace(file, cached=None)


def _relative(path: Path, store: Path) -> str:
    return path.relative_to(store).as_posix()


def _check_space(model: StoredModel, store: Path) -> None:
    needed = sum(file.size for file in model.files if not (store / file.path).exists())
    store.mkdir(parents=True, exist_ok=True)
    check_room(store, needed)


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
