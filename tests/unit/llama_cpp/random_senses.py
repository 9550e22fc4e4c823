"""Models with random weights that see and hear.

The eyes are of the Qwen2-VL architecture, whose pictures turn positions; the ears of Qwen2-Audio's.

Source: llama.cpp's `tools/mtmd/clip.cpp` and gguf's constants, for the names of keys and tensors.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from benchmarks.random_gguf import CHAT_TEMPLATE, write_vocabulary

_WIDTH, _HEADS, _KEY_WIDTH, _FEED_FORWARD, _LAYERS = 64, 4, 32, 128, 2
_VOCABULARY, _CONTEXT, _PATCH, _MERGED = 600, 1024, 14, 4
_MELS = 80
_EPSILON = 1e-6


class _Writer:
    """Writes random tensors; the same seed gives the same file."""

    def __init__(self, path: Path, architecture: str, seed: int) -> None:
        self.gguf = gguf.GGUFWriter(path, architecture)
        self._rng = np.random.default_rng(seed)

    def matrix(self, name: str, *shape: int, scale: float) -> None:
        values: NDArray[np.float64] = self._rng.standard_normal(shape) * scale
        self.gguf.add_tensor(name, values.astype(np.float32))

    def convolution(self, name: str, outputs: int, inputs: int) -> None:
        values: NDArray[np.float64] = self._rng.standard_normal((outputs, inputs, 3)) * 0.08
        self.gguf.add_tensor(f"{name}.weight", values.astype(np.float16))
        self.matrix(f"{name}.bias", outputs, 1, scale=0.1)

    def constant(self, name: str, size: int, value: float) -> None:
        self.gguf.add_tensor(name, np.full(size, value, np.float32))

    def close(self) -> None:
        self.gguf.write_header_to_file()
        self.gguf.write_kv_data_to_file()
        self.gguf.write_tensors_to_file()
        self.gguf.close()


def write_language_model(path: Path) -> None:
    """Write the text model."""
    writer = _Writer(path, "qwen2vl", 1)
    keys = writer.gguf
    keys.add_context_length(_CONTEXT)
    keys.add_embedding_length(_WIDTH)
    keys.add_block_count(_LAYERS)
    keys.add_feed_forward_length(_FEED_FORWARD)
    keys.add_head_count(_HEADS)
    keys.add_head_count_kv(_HEADS // 2)
    keys.add_layer_norm_rms_eps(_EPSILON)
    keys.add_vocab_size(_VOCABULARY)
    keys.add_rope_dimension_count(_WIDTH // _HEADS)
    keys.add_rope_dimension_sections([2, 3, 3, 0])
    write_vocabulary(keys, _VOCABULARY)
    keys.add_chat_template(CHAT_TEMPLATE)
    for name in ("token_embd", "output"):
        writer.matrix(f"{name}.weight", _VOCABULARY, _WIDTH, scale=0.2)
    writer.constant("output_norm.weight", _WIDTH, 4.0)
    for layer in range(_LAYERS):
        _write_layer(writer, f"blk.{layer}")
    writer.close()


def _write_layer(writer: _Writer, block: str) -> None:
    for name, size in (("q", _WIDTH), ("k", _KEY_WIDTH), ("v", _KEY_WIDTH)):
        writer.matrix(f"{block}.attn_{name}.weight", size, _WIDTH, scale=0.2)
        writer.matrix(f"{block}.attn_{name}.bias", size, scale=0.3)
    writer.matrix(f"{block}.attn_output.weight", _WIDTH, _WIDTH, scale=0.2)
    for name in ("gate", "up"):
        writer.matrix(f"{block}.ffn_{name}.weight", _FEED_FORWARD, _WIDTH, scale=0.2)
    writer.matrix(f"{block}.ffn_down.weight", _WIDTH, _FEED_FORWARD, scale=0.15)
    for name in ("attn_norm", "ffn_norm"):
        writer.constant(f"{block}.{name}.weight", _WIDTH, 1.0)


def write_projector(path: Path) -> None:
    """Write the projector that belongs to the text model."""
    writer = _Writer(path, "clip", 2)
    keys = writer.gguf
    keys.add_bool("clip.has_vision_encoder", True)
    keys.add_bool("clip.use_gelu", True)
    keys.add_string("clip.projector_type", "qwen2vl_merger")
    sizes = {
        "image_size": 56, "patch_size": _PATCH, "embedding_length": _WIDTH,
        "feed_forward_length": _FEED_FORWARD, "projection_dim": _WIDTH, "block_count": _LAYERS,
        "attention.head_count": _HEADS,
    }  # fmt: skip
    for name, size in sizes.items():
        keys.add_uint32(f"clip.vision.{name}", size)
    keys.add_float32("clip.vision.attention.layer_norm_epsilon", _EPSILON)
    keys.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    keys.add_array("clip.vision.image_std", [0.27, 0.27, 0.27])
    for frame in ("", ".1"):
        name = f"v.patch_embd.weight{frame}"
        writer.matrix(name, _WIDTH, 3, _PATCH, _PATCH, scale=0.08)
    for layer in range(_LAYERS):
        _write_eye_layer(writer, f"v.blk.{layer}")
    _write_norm(writer, "v.post_ln")
    merged = _WIDTH * _MERGED
    _write_linear(writer, "mm.0", merged, merged, 0.06)
    _write_linear(writer, "mm.2", _WIDTH, merged, 0.3)
    writer.close()


def write_ears(path: Path) -> None:
    """Write a projector that hears, for any text model of width 64."""
    writer = _Writer(path, "clip", 3)
    keys = writer.gguf
    keys.add_bool("clip.has_audio_encoder", True)
    keys.add_string("clip.projector_type", "qwen2a")
    sizes = {
        "embedding_length": _WIDTH, "feed_forward_length": _FEED_FORWARD,
        "projection_dim": _WIDTH, "block_count": _LAYERS, "attention.head_count": _HEADS,
        "num_mel_bins": _MELS,
    }  # fmt: skip
    for name, size in sizes.items():
        keys.add_uint32(f"clip.audio.{name}", size)
    keys.add_float32("clip.audio.attention.layer_norm_epsilon", _EPSILON)
    writer.matrix("a.position_embd.weight", 1500, _WIDTH, scale=0.1)
    for number, inputs in ((1, _MELS), (2, _WIDTH)):
        writer.convolution(f"a.conv1d.{number}", _WIDTH, inputs)
    for layer in range(_LAYERS):
        _write_ear_layer(writer, f"a.blk.{layer}")
    _write_norm(writer, "a.post_ln")
    _write_linear(writer, "mm.a.fc", _WIDTH, _WIDTH, 0.3)
    writer.close()


def _write_ear_layer(writer: _Writer, block: str) -> None:
    for name in ("ln1", "ln2"):
        _write_norm(writer, f"{block}.{name}")
    for name in ("attn_q", "attn_v", "attn_out"):
        _write_linear(writer, f"{block}.{name}", _WIDTH, _WIDTH, 0.15)
    writer.matrix(f"{block}.attn_k.weight", _WIDTH, _WIDTH, scale=0.15)
    _write_linear(writer, f"{block}.ffn_up", _FEED_FORWARD, _WIDTH, 0.12)
    _write_linear(writer, f"{block}.ffn_down", _WIDTH, _FEED_FORWARD, 0.1)


def _write_eye_layer(writer: _Writer, block: str) -> None:
    for name in ("ln1", "ln2"):
        _write_norm(writer, f"{block}.{name}")
    for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
        _write_linear(writer, f"{block}.{name}", _WIDTH, _WIDTH, 0.15)
    _write_linear(writer, f"{block}.ffn_up", _FEED_FORWARD, _WIDTH, 0.12)
    _write_linear(writer, f"{block}.ffn_down", _WIDTH, _FEED_FORWARD, 0.1)


def _write_linear(writer: _Writer, name: str, rows: int, columns: int, scale: float) -> None:
    writer.matrix(f"{name}.weight", rows, columns, scale=scale)
    writer.matrix(f"{name}.bias", rows, scale=0.2)


def _write_norm(writer: _Writer, name: str) -> None:
    writer.constant(f"{name}.weight", _WIDTH, 1.0)
    writer.constant(f"{name}.bias", _WIDTH, 0.0)
