"""Which files are Python pickles by their names: formats that can run a program when read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from localai.file_kinds import is_pickle, is_safe

_CTRANSLATE2 = "model.bin"
_MOST_FILES = 10_000


def unsafe_paths(paths: Collection[str]) -> list[str]:
    """Return those of `paths` that may be pickles."""
    return [path for path in paths if is_pickle(path) and not is_ctranslate2(path, paths)]


def is_ctranslate2(path: str, beside: Iterable[str]) -> bool:
    """Tell whether `path` is the `model.bin` of a CTranslate2 folder, which holds plain numbers.

    It is known by the vocabulary beside it.
    """
    file = PurePosixPath(path)
    names = {PurePosixPath(one).name for one in beside if PurePosixPath(one).parent == file.parent}
    vocabulary = any("vocabulary." in name for name in names)
    return file.name == _CTRANSLATE2 and vocabulary and "config.json" in names


def pickled_weights(model: Path) -> list[str]:
    """Return the pickles that an engine would read of `model`, a file or a folder.

    In a folder with weights in a safe form it reads those, and the pickles beside them lie idle.
    """
    if not model.is_dir():
        # Of a link both names count: it may be called as no pickle is, or its file by a hash.
        return unsafe_paths(list(dict.fromkeys((model.name, model.resolve().name))))
    folders: dict[PurePosixPath, list[str]] = defaultdict(list)
    for count, path in enumerate(model.rglob("*")):
        if count >= _MOST_FILES:  # no model's folder, but perhaps somebody's home
            break
        if path.is_file():
            name = path.relative_to(model).as_posix()
            folders[PurePosixPath(name).parent].append(name)
    return sorted(pickle for names in folders.values() for pickle in _read_of(names))


def _read_of(names: list[str]) -> list[str]:
    return [] if any(map(is_safe, names)) else unsafe_paths(names)
