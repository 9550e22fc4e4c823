"""What a file is to a model by the end of its name: weights, a pickle, or an archive."""

from __future__ import annotations

SAFE_WEIGHTS = (".safetensors", ".gguf", ".onnx")
"""Formats of numbers alone."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy")
"""Formats that can run a program when they are read."""
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tzst")
"""What the store unpacks; no other archive is a model."""
_MODELS = (*SAFE_WEIGHTS, ".ggml", *PICKLES)


def is_gguf(name: str) -> bool:
    """Tell whether the name is a GGUF file's."""
    return name.lower().endswith(".gguf")


def is_model_file(name: str) -> bool:
    """Tell whether a model may be one file of that name."""
    return name.lower().endswith(_MODELS)


def is_weights(name: str) -> bool:
    """Tell whether the file is one that repositories keep their weights in."""
    return name.lower().endswith((*SAFE_WEIGHTS, ".bin"))


def is_safe(name: str) -> bool:
    """Tell whether the file holds weights in a form that runs nothing when it is read."""
    return name.lower().endswith(SAFE_WEIGHTS)


def is_pickle(name: str) -> bool:
    """Tell whether the file may be a pickle."""
    return name.lower().endswith(PICKLES)


def is_archive(name: str) -> bool:
    """Tell whether the file is to be unpacked."""
    return name.lower().endswith(ARCHIVES)
