"""Archives unpacked safely: nothing leaves their folder, only files and links inside it come."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from localai.store.content import refuse_unsafe
from localai.store.errors import UnreadableArtifact, UnsafeFile
from localai.store.partial import no_space
from localai.store.references import check_relative_path

_MOST_MEMBERS = 100_000
_MOST_TIMES_LARGER = 200
_ALWAYS_ALLOWED = 64 << 20
_REMOVED = ".wh."


def unpack(
    archive: Path, folder: Path, inside: str = "", *, trust: bool = False, source: str = ""
) -> list[str]:
    """Unpack the tar `archive` into `folder` and return the paths of the files, sorted.

    Of an image's layer only what lies below `inside` is taken. Raises UnsafeFile for paths, links
    and formats that are refused, UnreadableArtifact for what is no tar; then nothing is left.
    """
    if not hasattr(tarfile, "data_filter"):
        raise UnreadableArtifact("Unpacking safely needs Python 3.11.4 or newer.")
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".unpack-", dir=folder))
    source = source or archive.name
    try:
        with tarfile.open(archive, "r:*") as tar:
            members = list(_members(tar, archive, inside, source))
            refuse_unsafe([one.name for one in members if one.isfile()], source, trust)
            _check_space(folder, sum(one.size for one in members))
            for member in members:
                tar.extract(member, work, set_attrs=False, filter="data")
        return _move(work, folder)
    except tarfile.FilterError as error:
        raise UnsafeFile(f"{source} is refused: {error}.") from error
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise UnreadableArtifact(f"{source} cannot be unpacked: {error}.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _members(
    tar: tarfile.TarFile, archive: Path, inside: str, source: str
) -> Iterator[tarfile.TarInfo]:
    """Yield what is to be unpacked, under the names it gets."""
    limit = max(_ALWAYS_ALLOWED, archive.stat().st_size * _MOST_TIMES_LARGER)
    count = size = 0
    for member in tar:
        count, size = count + 1, size + member.size
        if count > _MOST_MEMBERS or size > limit:
            raise UnsafeFile(f"{source} holds far more than its size suggests: it is refused.")
        name = _name_inside(member.name, inside)
        if name is None or member.isdir() or PurePosixPath(name).name.startswith(_REMOVED):
            continue
        check_relative_path(name)
        member.name = name
        if member.islnk():
            member.linkname = _name_inside(member.linkname, inside) or "/outside"
        elif member.issym() and inside and member.linkname.startswith(f"/{inside}/"):
            target = member.linkname.removeprefix(f"/{inside}/")
            member.linkname = os.path.relpath(target, PurePosixPath(name).parent)
        yield member


def _name_inside(name: str, inside: str) -> str | None:
    """Return the path below `inside`, None for what lies elsewhere."""
    while name.startswith("./"):
        name = name[2:]
    if not inside:
        return name or None
    plain = name.lstrip("/")
    return plain.removeprefix(f"{inside}/") if plain.startswith(f"{inside}/") else None


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise no_space(folder, needed, free)


def _move(work: Path, folder: Path) -> list[str]:
    paths = sorted(path for path in work.rglob("*") if path.is_symlink() or path.is_file())
    names = [path.relative_to(work).as_posix() for path in paths]
    for path, name in zip(paths, names, strict=True):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
    return names
