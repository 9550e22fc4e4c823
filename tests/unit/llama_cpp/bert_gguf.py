"""Writes a tiny embedding model of the BERT architecture with random weights."""

from __future__ import annotations

import string
from pathlib import Path

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, FEED_FORWARD, CONTEXT = 32, 2, 4, 64, 128
CLS, SEP = 2, 3
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORDS = ("the", "king", "queen", "banana", "hello", "world")
# In GGUF a word's first piece is marked, where WordPiece marks all the others.
WORDS = [
    *_SPECIAL,
    *(f"\u2581{word}" for word in (*_WORDS, *string.ascii_lowercase)),
    *string.ascii_lowercase,
]


def write_random_bert(path: Path, *, pooling: gguf.PoolingType | None, seed: int = 0) -> None:
    """Write a model that reads 128 tokens; with `pooling` None the file does not say how."""
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    _write_vocabulary(writer)
    rng = np.random.default_rng(seed)
    for name, shape in _tensors().items():
        values = rng.standard_normal(shape).astype(np.float32)
        writer.add_tensor(name, 1 + 0.1 * values if "norm.weight" in name else 0.3 * values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_vocabulary(writer: gguf.GGUFWriter) -> None:
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(WORDS)
    writer.add_token_types([control if word in _SPECIAL else normal for word in WORDS])
    writer.add_token_type_count(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(CLS)
    writer.add_sep_token_id(SEP)
    writer.add_mask_token_id(4)


def _tensors() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(WORDS), WIDTH),
        "position_embd.weight": (CONTEXT, WIDTH),
        "token_types.weight": (2, WIDTH),
        "token_embd_norm.weight": (WIDTH,),
        "token_embd_norm.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        for name, out, size in (
            ("attn_q", WIDTH, WIDTH), ("attn_k", WIDTH, WIDTH), ("attn_v", WIDTH, WIDTH),
            ("attn_output", WIDTH, WIDTH), ("ffn_up", FEED_FORWARD, WIDTH),
            ("ffn_down", WIDTH, FEED_FORWARD),
        ):  # fmt: skip
            shapes[f"blk.{layer}.{name}.weight"] = (out, size)
            shapes[f"blk.{layer}.{name}.bias"] = (out,)
        for name in ("attn_output_norm", "layer_output_norm"):
            shapes[f"blk.{layer}.{name}.weight"] = (WIDTH,)
            shapes[f"blk.{layer}.{name}.bias"] = (WIDTH,)
    return shapes
