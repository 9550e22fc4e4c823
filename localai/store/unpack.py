"""Archives unpacked safely: only plain files arrive, and only below their folder.

Links are what archives leave their folder with, so none is ever made while files are written: a
link to a file of the archive becomes that file under a second name afterwards, any other is
refused. Nothing of this rests on the filters of `tarfile`, which long paths of links get around.
"""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from localai.cards.importers.first_bytes import HEAD
from localai.errors import InvalidReference
from localai.references import check_relative_path
from localai.store.content import check_head, refuse_unsafe
from localai.store.errors import StoreError, UnreadableArtifact, UnsafeFile
from localai.store.room import check_room, is_full, no_room
from localai.store.tar_files import opened_tar, read_to_end

WORK = ".unpack-"
"""How the folder begins in which an archive is unpacked before its files move to their places."""

_MOST_MEMBERS = 100_000
_MOST_TIMES_LARGER = 200
_ALWAYS_ALLOWED = 64 << 20
_REMOVED = ".wh."
_LONGEST_CHAIN = 40
_BLOCK = 1 << 20
_NOT_LINKABLE = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK})


@dataclass(frozen=True)
class Unpacked:
    """The paths of the files that came, sorted, and links whose file may be in a later layer."""

    files: list[str]
    links: Mapping[str, str]


def unpack(
    archive: Path, folder: Path, inside: str = "", *, trust: bool = False, source: str = ""
) -> Unpacked:
    """Unpack the tar `archive` into `folder`; of an image's layer only what lies below `inside`.

    Raises UnsafeFile for paths, links and formats that are refused, UnreadableArtifact for what is
    no tar or cannot be written, DiskFull; then nothing is left.
    """
    source = source or archive.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=WORK, dir=folder))
        try:
            return _unpack(archive, folder, work, inside, trust, source)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise _cannot_write(error, folder, source) from error
    except (tarfile.TarError, ValueError) as error:
        raise UnreadableArtifact(f"{source} cannot be unpacked: {error}.") from error


def make_links(
    folder: Path, links: Mapping[str, str], *, trust: bool = False, source: str = ""
) -> list[str]:
    """Give files of `folder` the second names that `links` wants, and return those.

    A link whose file came with no layer is left out.
    """
    try:
        made = {name: _end_of(name, links) for name in links}
        there = {name: end for name, end in made.items() if _is_plain(folder, end)}
        for name, end in there.items():
            _look_inside(folder / end, name, source, trust)
            _give_name(folder / end, _place(folder, name))
        return sorted(there)
    except OSError as error:
        raise _cannot_write(error, folder, source) from error


def _unpack(
    archive: Path, folder: Path, work: Path, inside: str, trust: bool, source: str
) -> Unpacked:
    """Decode the archive once: what its names tell is known when all of it has been written."""
    files, links = _write_all(archive, work, inside, trust, source)
    # A link is a file too once it is made: under its own name it has to be a safe one.
    refuse_unsafe([*files, *links], source, trust)
    late = _link_all(work, links, files, inside, source)
    for name in links.keys() - late.keys():
        _look_inside(work / name, name, source, trust)
    return Unpacked(_move(work, folder), late)


def _write_all(
    archive: Path, work: Path, inside: str, trust: bool, source: str
) -> tuple[set[str], dict[str, str]]:
    """Write the files, and return their names, and where the links lead.

    Of two members with one name the later counts, as for `tar`.
    """
    files, links = set[str](), dict[str, str]()
    with opened_tar(archive) as tar:
        for member in _members(tar, archive, inside, source):
            name = member.name
            if name in files:
                files.remove(name)
                (work / name).unlink()
            links.pop(name, None)
            if not member.isreg():
                links[name] = _target(member, source)
                continue
            check_room(work, member.size)
            _write(tar, member, work / name)
            _look_inside(work / name, name, source, trust)
            files.add(name)
    return files, links


def _members(
    tar: tarfile.TarFile, archive: Path, inside: str, source: str
) -> Iterator[tarfile.TarInfo]:
    """Yield what is to be unpacked, under the names it gets."""
    limit = max(_ALWAYS_ALLOWED, archive.stat().st_size * _MOST_TIMES_LARGER)
    count = size = 0
    for member in tar:
        count, size = count + 1, size + member.size
        if count > _MOST_MEMBERS or size > limit:
            raise _bomb(source)
        name = _name_inside(member.name, inside)
        if name is None or member.isdir() or PurePosixPath(name).name.startswith(_REMOVED):
            continue
        member.name = check_relative_path(name)
        if member.islnk():
            # A hard link counts from the archive's root, a symbolic one from its own folder.
            target = _name_inside(member.linkname, inside)
            member.linkname = "/outside" if target is None else f"/{target}"
        elif member.issym() and inside and member.linkname.startswith(f"/{inside}/"):
            member.linkname = member.linkname.removeprefix(f"/{inside}")
        elif member.issym() and member.linkname.startswith("/"):
            raise _refused_link(source, name, member.linkname)
        elif not (member.issym() or member.isreg()):
            raise UnsafeFile(f"{source} holds '{name}', which is no file: it is refused.")
        yield member
    if not read_to_end(tar, limit - size):
        raise _bomb(source)


def _target(link: tarfile.TarInfo, source: str) -> str:
    """Return the path that a link leads to, from the folder; raises UnsafeFile if it leaves it."""
    path = posixpath.join(posixpath.dirname(link.name), link.linkname)
    target = posixpath.normpath(path if path.startswith("/") else f"/{path}")[1:]
    # An absolute path never goes above its root, so the steps up are counted beforehand.
    steps, depth = (part for part in path.split("/") if part not in {"", "."}), 0
    for step in steps:
        depth += -1 if step == ".." else 1
        if depth < 0:
            raise _refused_link(source, link.name, link.linkname)
    try:
        return check_relative_path(target)
    except (InvalidReference, UnicodeEncodeError) as error:  # or bytes that are no text
        raise _refused_link(source, link.name, link.linkname) from error


def _name_inside(name: str, inside: str) -> str | None:
    """Return the path below `inside`, None for what lies elsewhere."""
    while name.startswith("./"):
        name = name[2:]
    if not inside:
        return name or None
    plain = name.lstrip("/")
    return plain.removeprefix(f"{inside}/") if plain.startswith(f"{inside}/") else None


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Write a file where none is: the folders above are our own, and hold no link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o644), "wb") as to:
        if content is not None:
            shutil.copyfileobj(content, to, _BLOCK)
        if to.tell() != member.size:
            raise tarfile.ReadError(f"'{member.name}' ends too early")


def _look_inside(path: Path, name: str, source: str, trust: bool) -> None:
    # Files that begin with a dot are a system's own notes, under the name of what they speak of.
    if not PurePosixPath(name).name.startswith("."):
        with path.open("rb") as file:
            check_head(name, file.read(HEAD), f"'{name}' in {source}", trust)


def _link_all(
    work: Path, links: Mapping[str, str], files: Collection[str], inside: str, source: str
) -> dict[str, str]:
    """Make the links to files of this archive, and return those that have to wait."""
    late = {}
    for name, target in links.items():
        end = _end_of(name, links)
        if end in files:
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            _give_name(work / end, path)
        elif inside:  # the file may be in another layer of the image
            late[name] = end
        else:
            raise _refused_link(source, name, target)
    return late


def _end_of(name: str, links: Mapping[str, str]) -> str:
    """Return where a chain of links ends; a circle ends at one of its links, which is no file."""
    for _ in range(_LONGEST_CHAIN):
        if name not in links:
            break
        name = links[name]
    return name


def _give_name(file: Path, name: Path) -> None:
    """Make `name` the same file as `file`, or a copy where the disk has no hard links."""
    fresh = name.with_name(f".{os.getpid()}.link")
    try:
        os.link(file, fresh, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_LINKABLE:
            raise
        shutil.copyfile(file, fresh, follow_symlinks=False)
    # Renaming one name of a file to another of the same file would leave both.
    name.unlink(missing_ok=True)
    os.replace(fresh, name)


def _move(work: Path, folder: Path) -> list[str]:
    names = sorted(path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file())
    for name in names:
        os.replace(work / name, _place(folder, name))
    return names


def _place(folder: Path, name: str) -> Path:
    """Return the path for a file of `folder`, whose folders are made; none of them is a link."""
    place = folder
    for part in PurePosixPath(name).parts[:-1]:
        place = place / part
        if place.is_symlink():
            raise UnsafeFile(f"{place} is a link: nothing is unpacked through it. Remove it first.")
        place.mkdir(exist_ok=True)
    return folder / name


def _is_plain(folder: Path, name: str) -> bool:
    parts = PurePosixPath(name).parts
    links = (folder.joinpath(*parts[:count]).is_symlink() for count in range(1, len(parts) + 1))
    return not any(links) and (folder / name).is_file()


def _bomb(source: str) -> UnsafeFile:
    return UnsafeFile(f"{source} holds far more than its size suggests: it is refused.")


def _refused_link(source: str, name: str, target: str) -> UnsafeFile:
    return UnsafeFile(
        f"{source} is refused: its link '{name[:200]}' leads to '{target[:200]}', which is no file "
        "of it."
    )


def _cannot_write(error: OSError, folder: Path, source: str) -> StoreError | UnreadableArtifact:
    if is_full(error):
        return no_room(folder, 1 << 20)
    return UnreadableArtifact(
        f"{source} cannot be unpacked into {folder}: {error.strerror or error}."
    )
