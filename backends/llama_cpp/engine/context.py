"""One llama.cpp context: the caches of all sequences, and the step that computes a batch."""

from __future__ import annotations

import ctypes

import llama_cpp
import numpy as np
from llama_cpp import mtmd_cpp
from numpy.typing import NDArray

from backends.llama_cpp.engine.batch import Batch
from backends.llama_cpp.engine.logs import collected_errors
from backends.llama_cpp.engine.media import Projector, Span
from backends.llama_cpp.engine.model import Model, summary
from backends.llama_cpp.engine.threads import default_threads
from backends.llama_cpp.options import Options
from localai.errors import LoadFailed

DEFAULT_CONTEXT = 4096
"""The most tokens a conversation gets unless the card asks for more: caches cost memory."""
DEFAULT_UBATCH = 512
_NO_CALLBACK = mtmd_cpp.mtmd_helper_post_decode_callback()

_CACHE_TYPES = {
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20,
    "bf16": 30,
}  # fmt: skip
"""Source: `enum ggml_type`."""
_FLASH_ATTENTION = {"auto": -1, "off": 0, "on": 1}


class Context:
    """The context of `model` with `sequences` sequences; to be closed before the model."""

    def __init__(self, model: Model, options: Options, sequences: int) -> None:
        most: int = llama_cpp.llama_max_parallel_sequences()
        if sequences > most:
            raise LoadFailed(
                f"limits.max_concurrent: {sequences} is more than llama.cpp can do, {most}."
            )
        self.sequences = sequences
        self.capacity = window_of(model, options)
        """Tokens that one sequence may hold."""
        self._vocabulary_size = model.vocabulary.size
        self._window = model.attention_window
        self.handle = _create(model, self._parameters(options))
        memory = llama_cpp.llama_get_memory(self.handle)
        if memory is None:
            raise LoadFailed(f"{model.path} is a model for embeddings: it cannot write text.")
        self._memory = memory
        self.batch_size: int = llama_cpp.llama_n_batch(self.handle)
        self.ubatch_size: int = llama_cpp.llama_n_ubatch(self.handle)

    def decode(self, batch: Batch) -> int:
        """Compute `batch`; returns llama_decode's code, 0 when all went well."""
        code: int = llama_cpp.llama_decode(self.handle, batch.struct)
        return code

    def decode_span(self, projector: Projector, span: Span, sequence: int, position: int) -> int:
        """Compute a picture or recording; returns a code, 0 when all went well."""
        assert span.embeddings is not None
        embeddings = span.embeddings.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        behind = llama_cpp.llama_pos()
        code: int = mtmd_cpp.mtmd_helper_decode_image_chunk(
            projector.handle, self.handle, span.chunk, embeddings, position, sequence,
            self.batch_size, ctypes.byref(behind), _NO_CALLBACK, None,
        )  # fmt: skip
        return code

    def logits(self, row: int) -> NDArray[np.float32]:
        """Return the logits of batch row `row`, valid until the next step."""
        pointer = llama_cpp.llama_get_logits_ith(self.handle, row)
        return np.ctypeslib.as_array(pointer, (self._vocabulary_size,))

    def keep(self, sequence: int, length: int) -> int:
        """Remove all from position `length` on; returns how many tokens are left.

        Recurrent memories cannot go back and a sliding window has dropped what lies behind it:
        then everything goes and 0 is left.
        """
        if (
            length
            and self._reaches_back(sequence, length)
            and llama_cpp.llama_memory_seq_rm(self._memory, sequence, length, -1)
        ):
            return length
        self.clear(sequence)
        return 0

    def _reaches_back(self, sequence: int, length: int) -> bool:
        if not self._window:
            return True
        oldest: int = llama_cpp.llama_memory_seq_pos_min(self._memory, sequence)
        return 0 <= oldest <= max(0, length - self._window)

    def clear(self, sequence: int) -> None:
        """Remove everything that `sequence` holds."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def copy(self, source: int, target: int) -> None:
        """Let `target`, which is empty, hold what `source` holds."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def close(self) -> None:
        """Free the caches."""
        llama_cpp.llama_free(self.handle)

    def _parameters(self, options: Options) -> llama_cpp.llama_context_params:
        parameters: llama_cpp.llama_context_params = llama_cpp.llama_context_default_params()
        parameters.n_ctx = self.capacity * self.sequences
        parameters.n_seq_max = self.sequences
        parameters.n_batch = max(options.n_batch, self.sequences)
        parameters.n_ubatch = options.n_ubatch or min(parameters.n_batch, DEFAULT_UBATCH)
        # Only the last token of each sequence is ever asked for its logits.
        parameters.n_outputs_max = self.sequences
        parameters.n_threads = options.n_threads or default_threads()
        parameters.n_threads_batch = options.n_threads_batch or parameters.n_threads
        parameters.flash_attn_type = _FLASH_ATTENTION[options.flash_attn]
        # Measured with a 0.5B Q8_0 on 2 cores, one buffer for all against one for each: 8 streams
        # of 200 tokens 5% slower; one stream beside 7 idle conversations of 900 tokens 10% slower;
        # but 4 streams in sequences 0, 2, 4 and 6 1.6 times as fast.
        parameters.kv_unified = options.kv_unified
        parameters.swa_full = options.swa_full
        parameters.type_k = _CACHE_TYPES[options.cache_type_k]
        parameters.type_v = _CACHE_TYPES[options.cache_type_v]
        parameters.rope_freq_base = options.rope_freq_base
        parameters.rope_freq_scale = options.rope_freq_scale
        parameters.no_perf = True
        return parameters


def window_of(model: Model, options: Options) -> int:
    """Return how many tokens one text may have.

    Raises LoadFailed for more than the model has positions for.
    """
    window = options.n_ctx or min(model.trained_context, DEFAULT_CONTEXT)
    if window > model.trained_context and model.has_position_table():
        raise LoadFailed(
            f"n_ctx: {window} tokens are more than {model.path} has positions for: set "
            f"`options.n_ctx` to {model.trained_context} at most, or leave it out."
        )
    return window


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
