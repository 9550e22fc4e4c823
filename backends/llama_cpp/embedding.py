"""Embedding models in GGUF files: text to tokens, tokens to vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends.llama_cpp.engine.embedding_context import MOST_SEQUENCES, EmbeddingContext
from backends.llama_cpp.engine.model import load_model
from backends.llama_cpp.options import Options
from localai.worker.embedder import Embedder
from localai.worker.long_input import Frame, LongInput, Tokens
from localai.worker.shared_batches import BatchLimits

_PROBE = "a"
"""Any text of at least one token, to see what the tokenizer puts around it."""


class TextModel:
    """A loaded model with its context; tokenizing may happen on any thread, computing on one."""

    def __init__(self, path: Path, options: Options) -> None:
        self._model = load_model(path, options)
        self._context = EmbeddingContext(self._model, options)
        self.size = self._model.size
        self.window = self._context.window
        vocabulary = self._model.vocabulary
        self.vocabulary_size = vocabulary.size
        framed = vocabulary.tokenize(_PROBE, special=False, framed=True)
        self.frame = Frame.found(self.tokenize([_PROBE])[0], framed.tolist())

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        """Return the tokens of each text, without special tokens."""
        vocabulary = self._model.vocabulary
        return [vocabulary.tokenize(text, special=False).tolist() for text in texts]

    def compute(self, batch: list[Tokens]) -> NDArray[np.float32]:
        """Return the vectors of framed texts, (texts, dimensions)."""
        return self._context.vectors([np.array(tokens, np.int32) for tokens in batch])

    def close(self) -> None:
        """Free all memory."""
        self._context.close()
        self._model.close()


def create_embedder(model: TextModel, options: Options) -> Embedder:
    """Return what answers requests on `model`."""
    limits = BatchLimits(MOST_SEQUENCES, options.n_batch, is_padded=False)
    rule = LongInput(options.long_input, options.max_input)
    return Embedder(model, limits, rule, normalize=options.normalize)
