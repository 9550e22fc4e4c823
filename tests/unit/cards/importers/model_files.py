"""Writes small model files that say of themselves what large ones do."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

OWN_TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"


def write_gguf(
    path: Path,
    architecture: str = "llama",
    *,
    template: str | None = OWN_TEMPLATE,
    pooling: gguf.PoolingType | None = None,
    words: int = 300,
    more: Mapping[str, Any] | None = None,
) -> Path:
    """Write a file of one tensor with a vocabulary; `more` are further texts and numbers."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("A Model")
    writer.add_context_length(8192)
    writer.add_embedding_length(64)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    writer.add_token_list([f"word{number}" for number in range(words)])
    writer.add_token_scores([0.5] * words)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    if template is not None:
        writer.add_chat_template(template)
    for key, value in (more or {}).items():
        _add(writer, key, value)
    writer.add_tensor("output.weight", np.ones((64, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    else:
        writer.add_string(key, value)


def write_projector(path: Path, *, width: int = 64, **more: Any) -> Path:
    """Write a projector for models of this width."""
    about = {"clip.projector_type": "mlp", "clip.vision.projection_dim": width}
    return write_gguf(path, "clip", template=None, more={"general.type": "mmproj", **about, **more})


def write_safetensors(path: Path, *names: str) -> Path:
    """Write a file with a tensor of four bytes for each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * at, 4 * at + 4]}
        for at, name in enumerate(names)
    }
    header = json.dumps(entries).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4 * len(names)))
    return path


def write_whisper(folder: Path, spec: str = "WhisperSpec") -> Path:
    """Write a folder that begins as CTranslate2's do."""
    folder.mkdir()
    name = spec.encode() + b"\0"
    (folder / "model.bin").write_bytes(struct.pack("<IH", 6, len(name)) + name + bytes(100))
    write_json(folder / "config.json", {})
    write_json(folder / "tokenizer.json", {})
    return folder


def write_json(path: Path, content: object) -> Path:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path
