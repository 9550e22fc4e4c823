"""Compares the tokens of the training with the tokens of the engine."""

from collections.abc import Callable
from pathlib import Path

import gguf
import yaml
from tokenizers import Tokenizer, models

from .corpus import tokenizer_texts
from .facts import HERE
from .tokenizer import SPECIAL, dress

TEXTS = 1500
TRAPS = (
    "  two  spaces ",
    "line\n\nline\n",
    "tab\there",
    "I'm, you'RE, it's",
    "1234 12a3",
    "\u00a0x",
)


def stored_tokenizer(path: Path) -> Tokenizer:
    """Build the tokenizer of the training from the words and merges in a model file."""
    fields = gguf.GGUFReader(path).fields
    tokens: list[str] = fields["tokenizer.ggml.tokens"].contents()
    merges: list[str] = fields["tokenizer.ggml.merges"].contents()
    vocabulary = {token: number for number, token in enumerate(tokens)}
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = dress(Tokenizer(models.BPE(vocab=vocabulary, merges=pairs)))
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def differing(path: Path, tokens: Callable[[str], list[int]]) -> tuple[int, int]:
    """Return how many texts the engine splits otherwise, and how many were tried."""
    tokenizer = stored_tokenizer(path)
    made = [text for text, _ in zip(tokenizer_texts(99), range(TEXTS), strict=False)]
    listed = yaml.safe_load((HERE / "unknown_held_out.yaml").read_text(encoding="utf-8"))
    texts = [*made, *listed, *TRAPS]
    expected = [item.ids for item in tokenizer.encode_batch(texts, add_special_tokens=False)]
    differences = [tokens(text) != ids for text, ids in zip(texts, expected, strict=True)]
    return sum(differences), len(texts)
