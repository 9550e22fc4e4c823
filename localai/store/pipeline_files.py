"""Which files of a repository in diffusers' format make its pipeline."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import PurePosixPath

from localai.cards.importers.folders import pipeline_parts
from localai.store.errors import NotInRegistry, UnreadableArtifact
from localai.store.weights import is_index, one_copy, variants_of

INDEX = "model_index.json"
LARGEST_INDEX = 1 << 20
_TEXTS = frozenset({".json", ".txt", ".model", ".jinja", ".merges", ".vocab", ".spm"})


def parts_named(content: bytes, source: str) -> list[str]:
    """Return the folders that a `model_index.json` names and that are loaded here.

    Raises UnreadableArtifact for what is none.
    """
    try:
        index = json.loads(content)
    except (ValueError, RecursionError):
        index = None
    if not isinstance(index, dict):
        raise UnreadableArtifact(f"The {INDEX} of {source} is no JSON object.")
    return pipeline_parts(index)


def choose_pipeline(
    paths: Collection[str], parts: Collection[str] | None, variant: str | None, repo: str
) -> list[str]:
    """Return the files of the pipeline; without `parts`, all folders with a config are its parts.

    Weights are of `variant` where a part has them so. Raises NotInRegistry when no part has, or
    when a part is not there at all.
    """
    named = _folders_with_config(paths) if parts is None else parts
    below = {part: [path for path in paths if path.startswith(f"{part}/")] for part in named}
    if missing := [part for part, files in below.items() if not files]:
        raise NotInRegistry(f"{repo} lacks the folder '{missing[0]}', which its {INDEX} names.")
    files = [path for names in below.values() for path in names]
    wanted = variant.lower() if variant else None
    if wanted and wanted not in (there := variants_of(files)):
        raise NotInRegistry(
            f"{repo} has no weights of the variant '{variant}'. "
            f"There are: {', '.join(sorted(there)) or 'none, so leave it out'}."
        )
    texts = [path for path in files if _is_text(path)]
    weights = [one for names in below.values() for one in one_copy(_own(names), wanted)]
    return sorted({INDEX, *texts, *weights})


def _own(files: Collection[str]) -> list[str]:
    """Return the files of a part that lie in its folder itself: below are other engines' forms."""
    return [path for path in files if path.count("/") == 1]


def _is_text(path: str) -> bool:
    file = PurePosixPath(path)
    return file.suffix in _TEXTS and path.count("/") == 1 and not is_index(path)


def _folders_with_config(paths: Collection[str]) -> list[str]:
    found = {
        path.partition("/")[0]
        for path in paths
        if path.count("/") == 1 and path.endswith("config.json")
    }
    return sorted(pipeline_parts({name: ["", "any"] for name in found}))
