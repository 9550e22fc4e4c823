"""One copy of a repository's weights: in one precision, whole or in parts, in the safe form."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from localai.cards.shards import shard_of, without_number

_VARIANT = re.compile(r"\.(fp16|bf16|fp32|fp8|ema|non_ema)(?=[.-])")
_INDEX = re.compile(r"\.(?:safetensors|bin)\.index(?:\.\w+)?\.json$")
_PICKLE = re.compile(r"(?:diffusion_)?pytorch_model[^/]*\.bin")
_INSTEAD_OF_NONE = ("ema", "fp16", "bf16", "fp32", "non_ema", "fp8")
"""What is taken where there are no weights without a variant in their name."""


def one_copy(paths: Iterable[str], variant: str | None = None) -> list[str]:
    """Return the weights, and their indexes, that an engine reads of `paths`.

    In each folder those of `variant` count where there are any; `.bin` where nothing is safe.
    """
    folders: dict[PurePosixPath, list[str]] = defaultdict(list)
    for path in paths:
        folders[PurePosixPath(path).parent].append(path)
    return [path for names in folders.values() for path in _of_folder(names, variant)]


def is_index(path: str) -> bool:
    """Tell whether the file says in which part each tensor lies."""
    return _INDEX.search(path) is not None


def variants_of(paths: Iterable[str]) -> set[str]:
    """Return the variants in which there are weights in the safe form."""
    found = {_variant(path) for path in paths if _is_safe(path)}
    return {one for one in found if one is not None}


def _of_folder(paths: Sequence[str], variant: str | None) -> list[str]:
    safe = [path for path in paths if _is_safe(path)]
    indexes = [path for path in paths if ".safetensors.index" in path]
    if not safe:  # an index alone tells what is missing
        return _pickles(paths) or indexes
    models: dict[str, list[str]] = defaultdict(list)
    for path in (*safe, *indexes):
        models[_stem(path)].append(path)
    if "model" in models:  # the same in the form of its maker
        models.pop("consolidated", None)
    return [path for names in models.values() for path in _in_one_form(names, variant)]


def _in_one_form(paths: Sequence[str], wanted: str | None) -> list[str]:
    there = {_variant(path) for path in paths if _is_safe(path)}
    order = (wanted, None, *_INSTEAD_OF_NONE)
    chosen = next((one for one in order if one in there), None)
    kept = [path for path in paths if _variant(path) == chosen]
    whole = [path for path in kept if _is_safe(path) and shard_of(path) is None]
    return whole or kept


def _pickles(paths: Sequence[str]) -> list[str]:
    """Return the weights of a folder that has them as pickles alone."""
    kept = [path for path in paths if _PICKLE.fullmatch(PurePosixPath(path).name)]
    plain = [path for path in kept if _variant(path) is None] or kept
    whole = [path for path in plain if shard_of(path) is None]
    indexes = [path for path in paths if is_index(path)]
    return whole or (plain + indexes if plain else [])


def _is_safe(path: str) -> bool:
    return path.endswith(".safetensors")


def _variant(path: str) -> str | None:
    found = _VARIANT.search(PurePosixPath(path).name)
    return None if found is None else found[1]


def _stem(path: str) -> str:
    name = _VARIANT.sub("", without_number(PurePosixPath(path).name))
    return name.partition(".safetensors")[0]
