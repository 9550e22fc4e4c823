"""Writes a trained model and its tokenizer as one GGUF file."""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from .dialogue import CHAT_TEMPLATE
from .model import Llama, Shape
from .tokenizer import END_OF_TEXT, MESSAGE_END, SPECIAL, merges_of

DESCRIPTION = (
    "A tiny demonstration model: it answers a few hundred questions, most of them about this "
    "gateway. Install a real model with: localai pull MODEL"
)


def write_gguf(path: Path, model: Llama, tokenizer: Tokenizer) -> None:
    """Write the model file, matrices as Q8_0 and norms as F32."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer)
    _write_shape(writer, model.shape)
    _write_vocabulary(writer, tokenizer)
    for name, values in _tensors(model):
        _write_tensor(writer, name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name("starter-chat")
    writer.add_description(DESCRIPTION)
    writer.add_license("mit")
    writer.add_license_name("MIT License")
    writer.add_languages(["en"])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def _write_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)


def _write_vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    names = [name for name, _ in tokens]
    kinds = [_kind(name) for name in names]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(names)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges_of(tokenizer))
    writer.add_bos_token_id(names.index(END_OF_TEXT))
    writer.add_eos_token_id(names.index(MESSAGE_END))
    writer.add_pad_token_id(names.index(END_OF_TEXT))
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _kind(token: str) -> gguf.TokenType:
    return gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL


def _tensors(model: Llama) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for name, value in model.state_dict().items():
        plain = name.replace(".attention.", ".").replace(".feed_forward.", ".")
        yield plain.replace("layers.", "blk."), value.float().numpy()


def _write_tensor(writer: gguf.GGUFWriter, name: str, values: NDArray[np.float32]) -> None:
    if values.ndim < 2:
        writer.add_tensor(name, values)
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
