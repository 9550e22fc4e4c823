"""Writes a trained encoder as the projector file of llama.cpp (mmproj)."""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from .model import Eyes, EyesShape

Q8 = gguf.GGMLQuantizationType.Q8_0


def write_projector(path: Path, eyes: Eyes) -> None:
    """Write the projector file: matrices as Q8_0, patches as F16, all else as F32."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_name("starter-chat-mmproj")
    writer.add_license("mit")
    writer.add_license_name("MIT License")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    _write_shape(writer, eyes.shape)
    for name, values in _tensors(eyes):
        _write_tensor(writer, name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_shape(writer: gguf.GGUFWriter, shape: EyesShape) -> None:
    """Write the keys; without feature_layer the engine would leave out the last layer."""
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", True)
    numbers = {
        "image_size": shape.side,
        "patch_size": shape.patch,
        "embedding_length": shape.width,
        "feed_forward_length": shape.feed_forward,
        "projection_dim": shape.output,
        "block_count": shape.layers,
        "attention.head_count": shape.heads,
    }
    for name, number in numbers.items():
        writer.add_uint32(f"clip.vision.{name}", number)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", shape.epsilon)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.feature_layer", [shape.layers])


def _tensors(eyes: Eyes) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for name, value in eyes.state_dict().items():
        values: NDArray[np.float32] = value.float().numpy()
        if name == "patch_embd.weight":
            patch = eyes.shape.patch
            values = values.reshape(eyes.shape.width, 3, patch, patch)
        yield _name(name), values


def _name(name: str) -> str:
    if name.startswith("mm_"):
        return name.replace("mm_", "mm.")
    return f"v.{name}.weight" if name == "position_embd" else f"v.{name}"


def _write_tensor(writer: gguf.GGUFWriter, name: str, values: NDArray[np.float32]) -> None:
    if values.ndim == 4:
        writer.add_tensor(name, values.astype(np.float16))
    elif values.ndim == 2 and "position" not in name:
        writer.add_tensor(name, gguf.quants.quantize(values, Q8), raw_dtype=Q8)
    else:
        writer.add_tensor(name, values)
