"""Loads a GGUF file and tells what is in it."""

from __future__ import annotations

import ctypes
from pathlib import Path

import llama_cpp

from backends.llama_cpp.engine.logs import collected_errors
from backends.llama_cpp.engine.vocabulary import Vocabulary
from backends.llama_cpp.options import Options
from localai.errors import LoadFailed

_MAGIC = b"GGUF"
_SPLIT_MODES = {"none": 0, "layer": 1, "row": 2}
_MMAP, _MLOCK = 1, 2
_WITH_POSITION_TABLE = frozenset({"bert", "gpt2", "mpt", "starcoder"})
"""Architectures that learned each position by itself.

Source: llama.cpp's `src/models/`, who reads `pos_embd`; its RoPE types do not tell.
"""


class Model:
    """The weights and the vocabulary of one file; to be closed."""

    def __init__(self, path: Path, handle: llama_cpp.llama_model_p) -> None:
        self.path = path
        self.handle = handle
        vocabulary = llama_cpp.llama_model_get_vocab(handle)
        if vocabulary is None:
            raise LoadFailed(f"{path}: the file has no vocabulary.")
        self.vocabulary = Vocabulary(vocabulary)
        self.trained_context: int = llama_cpp.llama_model_n_ctx_train(handle)
        self.attention_window: int = llama_cpp.llama_model_n_swa(handle)
        """How many tokens back the layers with sliding-window attention look, 0 without such."""
        self.size: int = llama_cpp.llama_model_size(handle)

    def metadata(self, key: str) -> str | None:
        """Return the value of the file's `key` as text, None when the file has none."""
        length = llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), None, 0)
        if length < 0:
            return None
        buffer = ctypes.create_string_buffer(length + 1)
        llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), buffer, length + 1)
        return buffer.value.decode("utf-8", "replace")

    def has_position_table(self) -> bool:
        """Tell whether positions beyond the trained context would end the process."""
        architecture = self.metadata("general.architecture")
        slope = float(self.metadata(f"{architecture}.attention.max_alibi_bias") or 0)
        return architecture in _WITH_POSITION_TABLE and not slope

    def chat_template(self) -> str | None:
        """Return the file's chat template."""
        template = llama_cpp.llama_model_chat_template(self.handle, None)
        return None if template is None else template.decode("utf-8", "replace")

    def close(self) -> None:
        """Free the weights; contexts of this model must be closed before."""
        llama_cpp.llama_model_free(self.handle)


def load_model(path: Path, options: Options) -> Model:
    """Load the weights.

    Raises LoadFailed with llama.cpp's own words when it refuses the file.
    """
    _check_file(path)
    # Where there is one library for each level of processor, this loads the best of them.
    llama_cpp.llama_backend_init()
    parameters = _model_parameters(options)
    with collected_errors() as errors:
        handle = llama_cpp.llama_model_load_from_file(bytes(path), parameters)
    if not handle:
        raise LoadFailed(f"llama.cpp cannot load {path}: {summary(errors)}")
    if not llama_cpp.llama_model_has_decoder(handle) or llama_cpp.llama_model_has_encoder(handle):
        raise LoadFailed(f"{path} has an encoder; only decoder-only language models can chat.")
    return Model(path, handle)


def summary(errors: list[str]) -> str:
    """Return llama.cpp's error lines as one sentence."""
    # Each function on the way up repeats that it failed; the first line says why.
    return "; ".join(dict.fromkeys(errors)) or "it gave no reason"


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise LoadFailed(f"{path} cannot be read: {error.strerror}.") from error
    if magic != _MAGIC:
        raise LoadFailed(
            f"{path} is not a GGUF file: it starts with {magic!r} instead of {_MAGIC!r}. "
            "llama.cpp needs the model in the GGUF format."
        )


def _model_parameters(options: Options) -> llama_cpp.llama_model_params:
    if options.n_gpu_layers > 0 and not llama_cpp.llama_supports_gpu_offload():
        raise LoadFailed(
            f"n_gpu_layers: {options.n_gpu_layers} cannot be honoured: this build of llama.cpp "
            "has no GPU support. Leave the option out, or install a build with CUDA or Vulkan."
        )
    parameters: llama_cpp.llama_model_params = llama_cpp.llama_model_default_params()
    parameters.n_gpu_layers = options.n_gpu_layers
    parameters.split_mode = _SPLIT_MODES[options.split_mode]
    parameters.main_gpu = options.main_gpu
    if options.tensor_split:
        parameters.tensor_split = _tensor_split(options.tensor_split)
    if options.use_mmap is not None or options.use_mlock:
        mapped = _MMAP if options.use_mmap in (None, True) else 0
        parameters.load_mode = mapped | (_MLOCK if options.use_mlock else 0)
    return parameters


def _tensor_split(shares: tuple[float, ...]) -> ctypes.Array[ctypes.c_float]:
    devices = llama_cpp.llama_max_devices()
    if len(shares) > devices:
        raise LoadFailed(f"tensor_split has {len(shares)} shares, but there are {devices} devices.")
    array: ctypes.Array[ctypes.c_float] = (ctypes.c_float * devices)(*shares)
    return array
