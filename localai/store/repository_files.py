"""Which files of a hub repository make a model."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath

from localai.cards.pickles import is_ctranslate2, unsafe_paths
from localai.file_kinds import is_gguf
from localai.store.errors import NotInRegistry
from localai.store.gguf_files import (
    choose_model,
    choose_projector,
    is_projector,
    shards_there,
)
from localai.store.pipeline_files import INDEX, choose_pipeline
from localai.store.weights import is_index, one_copy

_SKIPPED_FOLDERS = frozenset({"original", "openvino", "onnx", "coreml", "metal", ".git", "flax"})
_CHECKPOINT = re.compile(r"checkpoint-\d+")
_TEXTS = frozenset({
    ".json", ".txt", ".model", ".jinja", ".tiktoken", ".vocab", ".merges", ".spm", ".yaml", ".yml",
    ".py",
})  # fmt: skip
_MOST_NAMED = 8


def choose_files(
    paths: Collection[str],
    file: str | None,
    quant: str | None,
    repo: str,
    *,
    projector: bool = True,
    parts: Collection[str] | None = None,
) -> tuple[list[str], str]:
    """Return the files to fetch and which of them is the model, `` for a whole folder.

    A GGUF model brings its `projector`. `parts` are the folders that the `model_index.json` names,
    if it was read. Raises NotInRegistry when the file, the quantisation or any weights are not
    there.
    """
    if file is not None and file in paths:
        return _one_file(paths, file, projector)
    if file is not None:
        return _below(paths, file, repo, projector)
    has_ggufs = any(is_gguf(path) for path in paths)
    if INDEX in paths and not (quant and has_ggufs):
        return choose_pipeline(paths, parts, quant, repo), ""
    if quant is not None or has_ggufs:
        return _gguf(paths, choose_model(paths, quant, repo), projector)
    return _folder(paths, repo)


def _one_file(paths: Collection[str], file: str, projector: bool) -> tuple[list[str], str]:
    if is_gguf(file) and not is_projector(file):
        return _gguf(paths, file, projector)
    # A voice's settings and an ONNX model's weights lie beside it.
    beside = [f"{file}.json", f"{file}_data", f"{file}.data"] if file.endswith(".onnx") else []
    return [file, *(path for path in beside if path in paths)], file


def _gguf(paths: Collection[str], file: str, projector: bool) -> tuple[list[str], str]:
    """Return all parts of a GGUF model, of which the first is the model, and its projector."""
    shards = shards_there(file, paths)
    found = choose_projector(paths, file) if projector else None
    return [*shards, *([found] if found else [])], shards[0]


def _below(
    paths: Collection[str], folder: str, repo: str, projector: bool
) -> tuple[list[str], str]:
    """Return what makes the model in a folder of the repository."""
    start = f"{folder}/"
    inside = [path.removeprefix(start) for path in paths if path.startswith(start)]
    if not inside:
        raise _no_file(paths, folder, repo)
    if any(is_gguf(path) and not is_projector(path) for path in inside):
        main = choose_model(inside, None, f"{repo}/{folder}")
        return _gguf(paths, start + main, projector)
    if not (_voices(inside) or _has_weights(inside)):  # as the tokenizer alone
        return sorted(start + path for path in inside), folder
    chosen, main = choose_files(inside, None, None, f"{repo}/{folder}")
    return [start + path for path in chosen], start + main if main else folder


def _no_file(paths: Collection[str], file: str, repo: str) -> NotInRegistry:
    same = [path for path in paths if PurePosixPath(path).suffix == PurePosixPath(file).suffix]
    there = ", ".join(sorted(same)[:_MOST_NAMED]) or "no such"
    return NotInRegistry(f"{repo} has no file '{file}'. There are: {there}.")


def _folder(paths: Collection[str], repo: str) -> tuple[list[str], str]:
    """Return what an engine reads of a repository: weights once, in the safe form if there is one.

    Pickles come where there is nothing else, and whoever fetches them has to trust them.
    """
    own = [path for path in paths if not _skipped(path)]
    weights = one_copy(_of_models(own))
    numbers = [path for path in paths if is_ctranslate2(path, paths)]
    if not weights and not numbers and (voices := _voices(paths)):
        return _one_voice(voices, paths, repo)
    chosen = {*weights, *numbers} or set(unsafe_paths(paths))
    if not chosen:
        raise NotInRegistry(
            f"{repo} has no weights in a form that is read here: .gguf, .safetensors, CTranslate2, "
            "or a voice of Piper's (.onnx with its .onnx.json)."
        )
    texts = [path for path in own if _is_text(path)]
    return sorted({*chosen, *texts}), ""


def _one_voice(voices: list[str], paths: Collection[str], repo: str) -> tuple[list[str], str]:
    if len(voices) > 1:
        named = ", ".join(voices[:_MOST_NAMED])
        raise NotInRegistry(
            f"{repo} holds {len(voices)} voices: name one of them, as hf://{repo}/{voices[0]}. "
            f"There are: {named}{', …' if len(voices) > _MOST_NAMED else ''}."
        )
    return _one_file(paths, voices[0], projector=False)


def _voices(paths: Collection[str]) -> list[str]:
    """Return the voices of Piper's: each has its settings beside it."""
    there = set(paths)
    return sorted(path for path in paths if path.endswith(".onnx") and f"{path}.json" in there)


def _has_weights(paths: Collection[str]) -> bool:
    return INDEX in paths or bool(one_copy(paths)) or bool(unsafe_paths(paths))


def _skipped(path: str) -> bool:
    """Tell whether a file belongs to another engine, to a training, or to nobody's model."""
    file = PurePosixPath(path)
    folders = file.parts[:-1]
    foreign = any(one in _SKIPPED_FOLDERS or _CHECKPOINT.fullmatch(one) for one in folders)
    return foreign or file.name.startswith(".")


def _of_models(paths: Collection[str]) -> list[str]:
    """Leave out what cannot be weights of a model: pickles in folders without a config."""
    folders = {PurePosixPath(path).parent for path in paths if path.endswith("config.json")}
    unsafe = set(unsafe_paths(paths))
    return [
        path
        for path in paths
        if path not in unsafe or "/" not in path or PurePosixPath(path).parent in folders
    ]


def _is_text(path: str) -> bool:
    return PurePosixPath(path).suffix in _TEXTS and not is_index(path)
