"""Which GGUF files of a repository make a model: the quantisation, its shards, its projector."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from localai.cards.shards import shard_of, shards_of, without_number
from localai.file_kinds import is_gguf
from localai.store.errors import NotInRegistry

DEFAULT_QUANT = "Q4_K_M"
PREFERRED = (
    "Q4_K_M", "UD-Q4_K_XL", "Q4_K_L", "Q4_K_S", "Q4_K", "Q4_0", "Q4_1", "IQ4_NL", "IQ4_XS",
    "MXFP4", "MXFP4_MOE", "Q5_K_M", "Q5_K_S", "Q5_0", "Q5_1", "Q6_K", "Q8_0", "Q3_K_L", "Q3_K_M",
    "Q3_K_S", "IQ3_M", "IQ3_S", "BF16", "F16", "F32", "Q2_K",
)  # fmt: skip
"""Nearest to the default first: its own size, then better ones, then smaller ones, then whole."""

_PROJECTORS = ("F16", "BF16", "Q8_0", "F32")
_QUANT = re.compile(
    r"(?:^|[-_./])((?:UD-)?(?:I?Q\d(?:_[0-9A-Z]+)*|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|BF16|F16|FP16|F32|FP32))"
    r"(?=$|[-_./])",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    r"(?:^|[-_.])(?:mtp|draft|imatrix|vocab|lora|adapter)(?:[-_.]|$)", re.IGNORECASE
)


def is_projector(path: str) -> bool:
    """Tell whether the name is that of a projector of pictures or sound."""
    return is_gguf(path) and "mmproj" in PurePosixPath(path).name.lower()


def quant_of(path: str) -> str | None:
    """Return the quantisation that the file's name, or else its folder, tells, in capitals."""
    for part in reversed(PurePosixPath(path).parts):
        stem = re.sub(r"\.gguf$", "", without_number(part), flags=re.IGNORECASE)
        if found := _QUANT.findall(stem):
            return _spelled(found[-1])
    return None


def shards_there(path: str, there: Iterable[str]) -> list[str]:
    """Return all parts of the split file that `path` is one of; itself if it is whole.

    Raises NotInRegistry when a part is missing.
    """
    parts, present = shards_of(path), {path, *there}
    if missing := [part for part in parts if part not in present]:
        raise NotInRegistry(f"The split file {path} lacks its part {missing[0]}.")
    return parts


def choose_model(paths: Iterable[str], quant: str | None, repo: str) -> str:
    """Return the file, or first part, of the quantisation asked for; else of the best there is.

    Raises NotInRegistry that lists the quantisations there are.
    """
    candidates = [path for path in paths if is_gguf(path) and not is_projector(path)]
    candidates = [path for path in candidates if _is_first(path)]
    main = [path for path in candidates if not _BESIDE.search(PurePosixPath(path).stem)]
    candidates = main or candidates
    wanted = [_spelled(quant)] if quant else PREFERRED
    for one in wanted:
        found = [path for path in candidates if quant_of(path) == one]
        if not found and quant:
            found = [path for path in candidates if _named_by(path, one)]
        if found:
            return min(found, key=lambda path: _rank(path, repo))
    if quant or not candidates:
        there = sorted({quant_of(path) or path for path in candidates})
        raise NotInRegistry(
            f"{repo} has no GGUF file of the quantisation {quant or DEFAULT_QUANT}. "
            f"There are: {', '.join(there) or 'none'}."
        )
    return min(candidates, key=lambda path: _rank(path, repo))


def choose_projector(paths: Iterable[str], main: str = "") -> str | None:
    """Return the projector of the model `main`: in F16, else the nearest; None where there is none.

    One in the model's own folder counts first, then those in the folders above it.
    """
    above = PurePosixPath(main).parents

    def rank(path: str) -> tuple[int, int, int, str]:
        folder, quant = PurePosixPath(path).parent, quant_of(path)
        distance = list(above).index(folder) if folder in above else len(above)
        place = _PROJECTORS.index(quant) if quant in _PROJECTORS else len(_PROJECTORS)
        return distance, place, len(path), path

    return min((path for path in paths if is_projector(path)), key=rank, default=None)


def _spelled(quant: str) -> str:
    """Return the one spelling of a quantisation that is written in several."""
    return quant.upper().replace("FP16", "F16").replace("FP32", "F32")


def _is_first(path: str) -> bool:
    shard = shard_of(path)
    return shard is None or shard.number == 1


def _named_by(path: str, quant: str) -> bool:
    stem = PurePosixPath(path).stem.upper()
    return stem.endswith((f"-{quant}", f".{quant}", f"_{quant}")) or stem == quant


def _rank(path: str, repo: str) -> tuple[bool, int, str]:
    """Prefer the file that is called as its repository, then the shortest name."""
    name = re.sub(r"[-_.]?gguf$", "", repo.partition("/")[2], flags=re.IGNORECASE).lower()
    return not PurePosixPath(path).name.lower().startswith(name), len(path), path
