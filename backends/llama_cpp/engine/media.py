"""Pictures and recordings as the model reads them: embeddings in place of tokens.

The projector is llama.cpp's mtmd: a file of its own that turns media into the text model's space.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np
from llama_cpp import mtmd_cpp as mtmd
from numpy.typing import NDArray

from backends.llama_cpp.engine.logs import collected_errors
from backends.llama_cpp.engine.model import Model, summary
from backends.llama_cpp.engine.threads import default_threads
from backends.llama_cpp.options import Options
from localai.errors import EngineFailed, InvalidRequest, LoadFailed, WorkerStopped

_MOST_REMEMBERED = 8
"""Media whose embeddings are kept, for the next turn about the same picture."""


@dataclass(frozen=True, slots=True)
class Medium:
    """Decoded media: RGB bytes of shape (height, width, 3), or float32 samples of one channel."""

    data: NDArray[np.uint8] | NDArray[np.float32]

    @property
    def digest(self) -> bytes:
        """Return a checksum of the content, that tells two media apart."""
        shape = repr(self.data.shape).encode()
        return hashlib.sha256(shape + self.data.tobytes()).digest()


class Span:
    """Places of a prompt that are filled with embeddings, once the projector has made them."""

    def __init__(self, chunk: int, count: int, positions: int, key: bytes) -> None:
        self.chunk = chunk
        self.embeddings: NDArray[np.float32] | None = None
        """Of shape (`count`, width)."""
        self.count = count
        self.positions = positions
        """By how much the next token's position is further; less than `count` with M-RoPE."""
        self.tokens = _stand_ins(key, self.count)

    def __del__(self) -> None:
        mtmd.mtmd_input_chunk_free(self.chunk)


Piece = NDArray[np.int32] | Span
"""Tokens, or a span: models frame their pictures with tokens of their own."""


def _stand_ins(key: bytes, count: int) -> NDArray[np.int32]:
    """Return `count` numbers below 0 that stand for a medium wherever prompts are compared."""
    stream = hashlib.shake_256(key).digest(4 * count)
    return (np.frombuffer(stream, np.int32) | np.int32(-(2**31))).astype(np.int32)


class Projector:
    """The projector of `model`; its methods may be called from any thread."""

    def __init__(self, path: Path, model: Model, options: Options, *, ubatch: int) -> None:
        _check_file(path)
        self._width: int = llama_cpp.llama_model_n_embd_inp(model.handle)
        self._handle = _load(path, model, options)
        self._ubatch = ubatch
        # mtmd cuts media for one caller while it encodes those of another, but encodes only one.
        self._reading, self._encoding = threading.Lock(), threading.Lock()
        self._encoder = ThreadPoolExecutor(1, "llama-projector")
        self._is_closed = False
        self._remembered: OrderedDict[bytes, list[Piece]] = OrderedDict()
        self.sees: bool = mtmd.mtmd_support_vision(self._handle)
        self.hears: bool = mtmd.mtmd_support_audio(self._handle)
        self.turns_positions: bool = mtmd.mtmd_decode_use_mrope(self._handle)
        """Whether a picture takes fewer positions than places (M-RoPE)."""

    @property
    def handle(self) -> int:
        """mtmd's context."""
        handle: int = self._handle
        return handle

    @property
    def sample_rate(self) -> int:
        """Samples a second of the recordings that it takes."""
        rate: int = mtmd.mtmd_get_audio_sample_rate(self._handle)
        return rate

    def read(self, medium: Medium) -> list[Piece]:
        """Return the pieces of a prompt that stand for `medium`, their spans still to be filled."""
        key = medium.digest
        with self._reading:
            self._check_open()
            if key in self._remembered:
                self._remembered.move_to_end(key)
                return self._remembered[key]
            pieces = self._remembered[key] = self._cut(medium, key)
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)
            return pieces

    async def fill(self, span: Span) -> None:
        """Compute the embeddings of `span` in turn, which takes its time the first time.

        Waiting for the turn takes up no thread, and who is cancelled meanwhile loses it.
        """
        if span.embeddings is None:
            await asyncio.get_running_loop().run_in_executor(self._encoder, self._fill, span)

    def _fill(self, span: Span) -> None:
        with self._encoding:
            self._check_open()
            if span.embeddings is None:
                span.embeddings = self._encode(span)

    def close(self) -> None:
        """Free the projector once nothing is computed with it; the model must still be open."""
        self._is_closed = True  # for all who wait for a lock before this does
        with self._reading, self._encoding:
            self._remembered.clear()
            mtmd.mtmd_free(self._handle)

    def _check_open(self) -> None:
        if self._is_closed:
            raise WorkerStopped("The model is being unloaded.")

    def _cut(self, medium: Medium, key: bytes) -> list[Piece]:
        bitmap = _bitmap(medium)
        chunks = mtmd.mtmd_input_chunks_init()
        try:
            part = mtmd.mtmd_input_part(text=None, bitmap=bitmap)
            parts = (ctypes.POINTER(mtmd.mtmd_input_part) * 1)(ctypes.pointer(part))
            code = mtmd.mtmd_tokenize_from_parts(self._handle, chunks, parts, 1, False)
            if code:
                raise InvalidRequest(
                    f"The model cannot read this picture or recording (mtmd's code {code})."
                )
            found = range(mtmd.mtmd_input_chunks_size(chunks))
            return [
                self._piece(mtmd.mtmd_input_chunks_get(chunks, number), key + bytes([number % 256]))
                for number in found
            ]
        finally:
            mtmd.mtmd_bitmap_free(bitmap)
            mtmd.mtmd_input_chunks_free(chunks)

    def _piece(self, chunk: int, key: bytes) -> Piece:
        if mtmd.mtmd_input_chunk_get_type(chunk) == mtmd.MTMD_INPUT_CHUNK_TYPE_TEXT:
            count = ctypes.c_size_t()
            tokens = mtmd.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
            return np.array(tokens[: count.value], np.int32)
        count = mtmd.mtmd_input_chunk_get_n_tokens(chunk)
        self._check_count(chunk, count)
        positions = mtmd.mtmd_input_chunk_get_n_pos(chunk)
        return Span(mtmd.mtmd_input_chunk_copy(chunk), count, positions, key)

    def _encode(self, span: Span) -> NDArray[np.float32]:
        code = mtmd.mtmd_encode_chunk(self._handle, span.chunk)
        if code:
            raise EngineFailed(f"llama.cpp could not encode a picture or recording (code {code}).")
        output = mtmd.mtmd_get_output_embd(self._handle)
        return np.ctypeslib.as_array(output, (span.count, self._width)).copy()

    def _check_count(self, chunk: int, count: int) -> None:
        # Such a picture is read at once or not at all; llama.cpp ends the process otherwise.
        if mtmd.mtmd_decode_use_non_causal(self._handle, chunk) and count > self._ubatch:
            raise InvalidRequest(
                f"The picture takes {count} tokens, which must be computed at once, but "
                f"options.n_ubatch is {self._ubatch}: raise it (and n_batch) in the card.",
                param="messages",
            )


def spans_of(pieces: Sequence[Piece]) -> tuple[NDArray[np.int32], dict[int, Span]]:
    """Return the tokens of a prompt, stand-ins included, and its spans by where they begin."""
    spans: dict[int, Span] = {}
    tokens: list[NDArray[np.int32]] = []
    length = 0
    for piece in pieces:
        if isinstance(piece, Span):
            spans[length] = piece
        tokens.append(piece.tokens if isinstance(piece, Span) else piece)
        length += len(tokens[-1])
    return (np.concatenate(tokens) if tokens else np.zeros(0, np.int32)), spans


def _bitmap(medium: Medium) -> int:
    data = np.ascontiguousarray(medium.data)
    if data.dtype == np.uint8:
        height, width, _ = data.shape
        pointer = data.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        bitmap: int = mtmd.mtmd_bitmap_init(width, height, pointer)
        return bitmap
    samples = data.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    recording: int = mtmd.mtmd_bitmap_init_from_audio(len(data), samples)
    return recording


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise LoadFailed(f"mmproj: there is no file {path}.")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise LoadFailed(f"mmproj: {path} is not a GGUF file.")


def _load(path: Path, model: Model, options: Options) -> int:
    parameters = mtmd.mtmd_context_params_default()
    parameters.use_gpu = options.n_gpu_layers != 0 and llama_cpp.llama_supports_gpu_offload()
    parameters.print_timings = False
    parameters.n_threads = options.n_threads_batch or options.n_threads or default_threads()
    parameters.warmup = False
    parameters.image_min_tokens = options.image_min_tokens or -1
    parameters.image_max_tokens = options.image_max_tokens or -1
    with collected_errors() as errors:
        handle: int | None = mtmd.mtmd_init_from_file(bytes(path), model.handle, parameters)
    if not handle:
        raise LoadFailed(f"llama.cpp cannot load the projector {path}: {summary(errors)}")
    return handle
