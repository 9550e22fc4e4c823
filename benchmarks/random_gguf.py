"""Writes model files with random weights: the speed of a real model without a download.

    python -m benchmarks.random_gguf [--size half-billion|tiny] PATH

The words of the vocabulary are made up here, so that nothing but this file is needed.
"""

from __future__ import annotations

import argparse
import itertools
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

END_OF_TEXT, MESSAGE_START, MESSAGE_END = range(3)
"""Token ids of the control tokens; the first and the last end an answer."""
CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """The dimensions of a model of the llama architecture."""

    width: int
    layers: int
    heads: int
    key_heads: int
    feed_forward: int
    vocabulary: int
    context: int
    tied: bool = False
    """Whether the output matrix is the embedding matrix, as in small models."""

    @property
    def key_width(self) -> int:
        """The width of the keys and the values of one token in one layer."""
        return self.width // self.heads * self.key_heads


HALF_BILLION = Shape(896, 24, 14, 2, 4864, 151936, 32768, tied=True)
"""The dimensions of Qwen2.5-0.5B: about 500 MB."""
TINY = Shape(64, 2, 4, 2, 128, 600, 512)
"""Loads in milliseconds, and every answer is nonsense that depends on the whole prompt."""
SIZES = {"half-billion": HALF_BILLION, "tiny": TINY}


def write_random_gguf(
    path: Path, shape: Shape, *, seed: int = 0, chat_template: str | None = CHAT_TEMPLATE
) -> None:
    """Write a model with random Q8_0 matrices; the same seed gives the same file."""
    writer = gguf.GGUFWriter(path, "llama")
    _write_shape(writer, shape)
    write_vocabulary(writer, shape.vocabulary)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    rng = np.random.default_rng(seed)
    for name, rows, columns in _matrices(shape):
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, _random_q8_0(rng, rows, columns), raw_dtype=kind)
    for name, value in _norms(shape):
        writer.add_tensor(name, np.full(shape.width, value, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("random")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(shape.vocabulary)


def write_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """Write a byte-level vocabulary of `size` tokens."""
    words = list(itertools.islice(_words(), size))
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(words)
    writer.add_token_types([control if word in CONTROL_TOKENS else normal for word in words])
    writer.add_token_merges(_merges(words))
    writer.add_bos_token_id(END_OF_TEXT)
    writer.add_eos_token_id(MESSAGE_END)
    writer.add_add_bos_token(False)


def _words() -> Iterator[str]:
    """Yield the control tokens, every byte, then made-up words, first those of two letters."""
    yield from CONTROL_TOKENS
    yield from byte_alphabet()
    for length in itertools.count(2):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield "".join(letters)


def byte_alphabet() -> list[str]:
    """Return the printable character that stands for each byte in byte-level vocabularies.

    Source: GPT-2's `bytes_to_unicode`; bytes that do not print stand at 256 and above.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = itertools.count(256)
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def _merges(words: Iterable[str]) -> list[str]:
    """Return merges for the words of two letters, enough to make texts of several bytes a token."""
    return [f"{word[0]} {word[1]}" for word in words if len(word) == 2 and word.isascii()]


def _matrices(shape: Shape) -> Iterator[tuple[str, int, int]]:
    yield "token_embd.weight", shape.vocabulary, shape.width
    if not shape.tied:
        yield "output.weight", shape.vocabulary, shape.width
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        yield f"{block}.attn_q.weight", shape.width, shape.width
        yield f"{block}.attn_k.weight", shape.key_width, shape.width
        yield f"{block}.attn_v.weight", shape.key_width, shape.width
        yield f"{block}.attn_output.weight", shape.width, shape.width
        yield f"{block}.ffn_gate.weight", shape.feed_forward, shape.width
        yield f"{block}.ffn_up.weight", shape.feed_forward, shape.width
        yield f"{block}.ffn_down.weight", shape.width, shape.feed_forward


def _norms(shape: Shape) -> Iterator[tuple[str, float]]:
    for layer in range(shape.layers):
        yield f"blk.{layer}.attn_norm.weight", 1.0
        yield f"blk.{layer}.ffn_norm.weight", 1.0
    # Widens the spread of the logits, so that a few tokens carry most of the probability.
    yield "output_norm.weight", 4.0


def _random_q8_0(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.uint8]:
    """Return blocks of 32 random 8-bit values, each block with its half-precision scale before."""
    blocks = np.empty((rows * columns // 32, 34), np.uint8)
    scale = np.float16(1.0 / (73.0 * columns**0.5))
    blocks[:, :2] = np.frombuffer(scale.tobytes(), np.uint8)
    blocks[:, 2:] = rng.integers(0, 256, (len(blocks), 32), np.uint8)
    return blocks.reshape(rows, -1)


def main() -> None:
    """Write the file that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--size", choices=sorted(SIZES), default="half-billion")
    arguments = parser.parse_args()
    arguments.path.parent.mkdir(parents=True, exist_ok=True)
    write_random_gguf(arguments.path, SIZES[arguments.size])


if __name__ == "__main__":
    main()
