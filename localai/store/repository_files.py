"""Which files of a hub repository make a model."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from localai.store.content import is_ctranslate2, unsafe_paths
from localai.store.errors import NotInRegistry
from localai.store.gguf_files import (
    choose_model,
    choose_projector,
    is_gguf,
    is_projector,
    shards_of,
)

_SKIPPED_FOLDERS = frozenset({"original", "openvino", "onnx", "coreml", "metal", ".git", "flax"})
_NEEDED = frozenset({
    ".safetensors", ".json", ".txt", ".model", ".jinja", ".tiktoken", ".vocab", ".merges", ".spm",
    ".yaml", ".yml", ".py",
})  # fmt: skip
_WEIGHTS = frozenset({".safetensors", ".onnx", ".gguf"})
_VARIANTS = (".fp16.", ".non_ema.", ".bf16.", ".ema.")


def choose_files(
    paths: Collection[str], file: str | None, quant: str | None, repo: str
) -> tuple[list[str], str]:
    """Return the files to fetch and which of them is the model, `` for a whole folder.

    Raises NotInRegistry when the file, the quantisation or any weights are not there.
    """
    if file is not None:
        return _one_file(paths, file, repo)
    if quant is not None or any(is_gguf(path) for path in paths):
        main = choose_model(paths, quant, repo)
        return [*shards_of(main, paths), *_projector(paths)], main
    return _folder(paths, repo), ""


def _one_file(paths: Collection[str], file: str, repo: str) -> tuple[list[str], str]:
    if file not in paths:
        below = sorted(path for path in paths if path.startswith(f"{file}/"))
        if below:  # a folder of the repository
            return below, ""
        same = [path for path in paths if PurePosixPath(path).suffix == PurePosixPath(file).suffix]
        raise NotInRegistry(
            f"{repo} has no file '{file}'. There are: {', '.join(sorted(same)[:8]) or 'no such'}."
        )
    if is_gguf(file) and not is_projector(file):
        return [*shards_of(file, paths), *_projector(paths)], file
    # A voice's settings and an ONNX model's weights lie beside it.
    beside = [f"{file}.json", f"{file}_data", f"{file}.data"] if file.endswith(".onnx") else []
    return [file, *(path for path in beside if path in paths)], file


def _projector(paths: Collection[str]) -> list[str]:
    projector = choose_projector(paths)
    return [projector] if projector else []


def _folder(paths: Collection[str], repo: str) -> list[str]:
    """Return what an engine reads of a repository: weights once, in the safe form."""
    usual = [path for path in paths if not _skipped(path)]
    has_safe = any(path.endswith(".safetensors") for path in usual)
    if not has_safe and (onnx := [path for path in paths if ".onnx" in path]):
        usual += onnx
    if not has_safe:
        usual += [path for path in paths if is_ctranslate2(path, paths)]
    if "model_index.json" in paths:  # a pipeline's weights lie in its folders
        usual = [path for path in usual if "/" in path or not path.endswith(".safetensors")]
    weights = [path for path in usual if _is_weight(path, paths)]
    if not weights and (unsafe := unsafe_paths(paths)):
        return sorted({*usual, *unsafe})
    if not weights:
        raise NotInRegistry(f"{repo} has no weights in a form that is read here.")
    return sorted(set(_without_variants(usual)))


def _is_weight(path: str, paths: Collection[str]) -> bool:
    return PurePosixPath(path).suffix in _WEIGHTS or is_ctranslate2(path, paths)


def _skipped(path: str) -> bool:
    file = PurePosixPath(path)
    in_skipped = any(part in _SKIPPED_FOLDERS for part in file.parts[:-1])
    return in_skipped or file.suffix not in _NEEDED or file.name.startswith(".")


def _without_variants(paths: Collection[str]) -> list[str]:
    """Leave out a second copy of the weights in another precision."""
    present = set(paths)

    def plain(path: str) -> str:
        for variant in _VARIANTS:
            path = path.replace(variant, ".")
        return path

    return [path for path in paths if plain(path) == path or plain(path) not in present]
