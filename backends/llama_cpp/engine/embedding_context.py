"""A llama.cpp context that makes one vector of each sequence."""

from __future__ import annotations

from collections.abc import Sequence

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from backends.llama_cpp.engine.batch import Batch
from backends.llama_cpp.engine.context import window_of
from backends.llama_cpp.engine.logs import collected_errors
from backends.llama_cpp.engine.model import Model, summary
from backends.llama_cpp.engine.threads import default_threads
from backends.llama_cpp.options import Options
from localai.errors import EngineFailed, LoadFailed

MOST_SEQUENCES = 32
"""How many texts one batch has at most; more gain nothing, as its tokens are limited too."""
_POOLING = {"auto": -1, "mean": 1, "cls": 2, "last": 3}
_NONE, _RANK = 0, 4
"""Source: `enum llama_pooling_type`."""
_FLASH_OFF, _FLASH_ON = 0, 1
LONGEST_PLAIN_WINDOW = 2048
"""The largest window whose attention is computed in plain steps unless the card says otherwise.

Sums come out in another order beside other texts, and where llama.cpp then rounds (activations to
8 bits for quantised weights, GELU to half precision) a last bit may tip a number over. Measured as
the largest difference of any number of a vector, alone and in a batch: up to 2.5e-3 with fused
attention; in plain steps 6e-4 with a quantised llama, most texts below 1e-7, and 6e-5 with a BERT.
Plain steps need memory that grows with the square of the window, 256 MiB at this size and 16 heads.
"""


class EmbeddingContext:
    """The context of `model`; to be closed before the model.

    Pooling sees only what is computed at once, and models that look at both sides of a token need
    the same, so a whole text always goes into one step.
    """

    def __init__(self, model: Model, options: Options) -> None:
        self.window = window_of(model, options)
        self._capacity = max(self.window, options.n_batch)
        self.handle = _create(model, self._parameters(options))
        self.pooling: int = llama_cpp.llama_pooling_type(self.handle)
        _check_pooling(model, self.pooling)
        self._memory = llama_cpp.llama_get_memory(self.handle)
        self._dimensions: int = llama_cpp.llama_model_n_embd_out(model.handle)
        self._batch = Batch(self._capacity)

    def vectors(self, texts: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
        """Return the pooled vector of each text, (texts, dimensions)."""
        self._batch.clear()
        for sequence, tokens in enumerate(texts):
            self._batch.add_tokens(sequence, 0, tokens, wants_logits=True)
        self._batch.want_every_row()
        code = llama_cpp.llama_decode(self.handle, self._batch.struct)
        if code != 0:
            raise EngineFailed(f"llama.cpp could not compute a step (code {code}).")
        rows = np.stack([self._vector(sequence) for sequence in range(len(texts))])
        if self._memory is not None:
            llama_cpp.llama_memory_clear(self._memory, False)
        return rows

    def _vector(self, sequence: int) -> NDArray[np.float32]:
        pointer = llama_cpp.llama_get_embeddings_seq(self.handle, sequence)
        if not pointer:
            raise EngineFailed("llama.cpp made no vector for a text.")
        return np.ctypeslib.as_array(pointer, (self._dimensions,))

    def close(self) -> None:
        """Free the context."""
        llama_cpp.llama_free(self.handle)

    def _parameters(self, options: Options) -> llama_cpp.llama_context_params:
        parameters: llama_cpp.llama_context_params = llama_cpp.llama_context_default_params()
        parameters.embeddings = True
        parameters.pooling_type = _POOLING[options.pooling]
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = self._capacity
        parameters.n_seq_max = MOST_SEQUENCES
        # Texts of any lengths go into one step only where they share one buffer.
        parameters.kv_unified = True
        parameters.n_threads = options.n_threads_batch or options.n_threads or default_threads()
        parameters.n_threads_batch = parameters.n_threads
        parameters.flash_attn_type = self._flash_attention(options)
        parameters.rope_freq_base = options.rope_freq_base
        parameters.rope_freq_scale = options.rope_freq_scale
        parameters.no_perf = True
        return parameters

    def _flash_attention(self, options: Options) -> int:
        if options.flash_attn == "auto":
            return _FLASH_OFF if self.window <= LONGEST_PLAIN_WINDOW else _FLASH_ON
        return _FLASH_ON if options.flash_attn == "on" else _FLASH_OFF


def _create(model: Model, parameters: llama_cpp.llama_context_params) -> llama_cpp.llama_context_p:
    with collected_errors() as errors:
        handle: llama_cpp.llama_context_p | None = llama_cpp.llama_init_from_model(
            model.handle, parameters
        )
    if not handle:
        raise LoadFailed(
            f"llama.cpp cannot make a context of {parameters.n_ctx} tokens for {model.path}: "
            f"{summary(errors)}"
        )
    return handle


def _check_pooling(model: Model, pooling: int) -> None:
    if pooling == _RANK:
        raise LoadFailed(
            f"{model.path} is a reranker: it scores pairs of texts and makes no vectors. "
            "Take an embedding model."
        )
    if pooling == _NONE:
        raise LoadFailed(
            f"{model.path} does not say how it pools its tokens to one vector: set "
            "`options.pooling` to mean, cls or last, as its author describes."
        )
