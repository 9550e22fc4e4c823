"""Loads a pipeline from a folder or from a single file, without network and without pickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders.single_file_utils import fetch_diffusers_config, load_single_file_checkpoint

from backends.diffusers.folders import INDEX, read_folder
from backends.diffusers.options import Lora, Options
from backends.diffusers.schedulers import scheduler_for
from localai.errors import LoadFailed

_NO_FILTER = {"safety_checker": None, "feature_extractor": None, "image_encoder": None}


def load_pipeline(path: Path, options: Options, device: str, dtype: torch.dtype) -> Any:
    """Return the pipeline of a model with the card's scheduler, changes and savings.

    Raises LoadFailed that says what is wrong with which file or option.
    """
    pipeline = _read(path, options, dtype)
    if options.scheduler is not None:
        pipeline.scheduler = scheduler_for(pipeline, options.scheduler)
    home = path if path.is_dir() else path.parent
    for number, lora in enumerate(options.lora):
        _add_lora(pipeline, home, lora, f"lora{number}")
    if options.lora:
        names = [f"lora{number}" for number in range(len(options.lora))]
        pipeline.set_adapters(names, [lora.scale for lora in options.lora])
    _save_memory(pipeline, options)
    if options.offload == "none":
        pipeline.to(device)
    return pipeline


def choose_device(wanted: str) -> str:
    """Return where to compute; raises LoadFailed for what is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next((name for name, is_there in there.items() if is_there), "cpu")
    if not there.get(wanted, True):
        raise LoadFailed(f"device: {wanted} is not available here; use auto or cpu.")
    return wanted


def choose_dtype(wanted: str, device: str) -> torch.dtype:
    """Return the type of the weights: what CPUs compute fastest, or half the size on a GPU."""
    if wanted != "auto":
        dtype: torch.dtype = getattr(torch, wanted)
        return dtype
    # Older GPUs only emulate bfloat16, several times slower than they compute float16.
    if device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float32 if device == "cpu" else torch.float16


def _read(path: Path, options: Options, dtype: torch.dtype) -> Any:
    try:
        if path.is_dir():
            return _read_model_folder(path, dtype)
        return _read_single_file(path, options.config, dtype)
    except LoadFailed:
        raise
    except FileNotFoundError as error:
        raise LoadFailed(f"{path} cannot be read: {error}") from error
    except Exception as error:
        # The libraries raise anything here, from OSError to the safetensors' own kind.
        raise LoadFailed(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error


def _read_model_folder(path: Path, dtype: torch.dtype) -> Any:
    folder = read_folder(path)
    kind = _pipeline_class(folder.pipeline, path / INDEX)
    expected, _ = kind._get_signature_keys(kind)
    return kind.from_pretrained(
        str(path),
        dtype=dtype,
        variant=folder.variant,
        use_safetensors=True,
        local_files_only=True,
        **{name: value for name, value in _NO_FILTER.items() if name in expected},
        **({"requires_safety_checker": False} if "safety_checker" in expected else {}),
    )


def _read_single_file(path: Path, config: str | None, dtype: torch.dtype) -> Any:
    if not path.is_file():
        raise LoadFailed(f"{path} does not exist.")
    if path.suffix != ".safetensors":
        raise LoadFailed(
            f"{path} is no .safetensors file: other kinds can run any code when they are read, so "
            "convert it first."
        )
    if config is None:
        raise LoadFailed(_without_config(path))
    folder = path.parent / config
    if not (folder / INDEX).is_file():
        raise LoadFailed(f"config: {folder} has no {INDEX}.")
    kind = _pipeline_class(
        str(diffusers.DiffusionPipeline.load_config(str(folder))["_class_name"]), folder
    )
    expected, _ = kind._get_signature_keys(kind)
    left_out = {name: value for name, value in _NO_FILTER.items() if name in expected}
    return kind.from_single_file(
        str(path), config=str(folder), dtype=dtype, local_files_only=True, **left_out
    )


def _without_config(path: Path) -> str:
    home = fetch_diffusers_config(load_single_file_checkpoint(str(path)))
    repository = home["pretrained_model_name_or_path"]
    return (
        f"{path} is a single file, which carries weights but no configs and no tokenizer: set "
        f"`options.config` to a folder with those of '{repository}' ({INDEX}, and each part's "
        "*.json and *.txt files; no weights are needed)."
    )


def _pipeline_class(name: str, place: Path) -> Any:
    kind = getattr(diffusers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, diffusers.DiffusionPipeline)):
        raise LoadFailed(f"{place}: diffusers {diffusers.__version__} has no pipeline '{name}'.")
    return kind


def _add_lora(pipeline: Any, home: Path, lora: Lora, name: str) -> None:
    path = home / lora.path
    if not path.is_file() or path.suffix != ".safetensors":
        raise LoadFailed(f"lora: {path} is no .safetensors file.")
    if not hasattr(pipeline, "load_lora_weights"):
        raise LoadFailed(f"lora: {type(pipeline).__name__} takes none.")
    try:
        pipeline.load_lora_weights(
            str(path.parent), weight_name=path.name, adapter_name=name, local_files_only=True
        )
    except Exception as error:
        raise LoadFailed(f"lora: {path} does not fit the model: {error}") from error
    if name not in _adapters(pipeline):
        raise LoadFailed(f"lora: {path} has nothing that fits the model.")


def _adapters(pipeline: Any) -> set[str]:
    return {name for names in pipeline.get_list_adapters().values() for name in names}


def _save_memory(pipeline: Any, options: Options) -> None:
    vae = getattr(pipeline, "vae", None)
    for option, method in (("vae_tiling", "enable_tiling"), ("vae_slicing", "enable_slicing")):
        if getattr(options, option):
            if not hasattr(vae, method):
                raise LoadFailed(f"{option}: this model's {type(vae).__name__} has no such thing.")
            getattr(vae, method)()
    if options.attention_slicing:
        pipeline.enable_attention_slicing()
    pipeline.set_progress_bar_config(disable=True)
