"""Chat model and projector in the engine: llama.cpp's mtmd through llama-cpp-python."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import llama_cpp
import numpy as np
from chat.dialogue import CHAT_TEMPLATE
from llama_cpp import mtmd_cpp
from PIL import Image

CONTEXT = 2048
BATCH = 512
MOST_TOKENS = 64
MEDIA = "<__media__>"


class EngineRefused(Exception):
    """llama.cpp did not do what it was asked for."""


def parts(asked: str) -> list[dict[str, str]]:
    """Return the content parts of a message: its texts and, between them, media markers."""
    texts = asked.split(MEDIA)
    marked = [texts[0], *(part for text in texts[1:] for part in (MEDIA, text))]
    return [{"type": "text", "text": text} for text in marked if text]


class Engine:
    """Both files, asked one request after the other, at temperature 0."""

    def __init__(self, chat: Path, projector: Path, threads: int = 1) -> None:
        llama_cpp.llama_backend_init()
        self._quiet = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self._quiet, ctypes.c_void_p(0))
        mtmd_cpp.mtmd_helper_log_set(self._quiet, ctypes.c_void_p(0))
        chosen = llama_cpp.llama_model_default_params()
        self._model = llama_cpp.llama_model_load_from_file(str(chat).encode(), chosen)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._words = llama_cpp.llama_vocab_n_tokens(self._vocabulary)
        context = llama_cpp.llama_context_default_params()
        context.n_ctx, context.n_batch, context.n_ubatch = CONTEXT, BATCH, BATCH
        context.n_threads = context.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(self._model, context)
        eyes = mtmd_cpp.mtmd_context_params_default()
        eyes.use_gpu, eyes.n_threads, eyes.warmup = False, threads, False
        self._eyes = mtmd_cpp.mtmd_init_from_file(str(projector).encode(), self._model, eyes)
        if not self._eyes:
            raise EngineRefused(f"{projector} does not load")
        self._template = jinja2.Environment().from_string(CHAT_TEMPLATE)
        self.unfinished = 0

    def reply(self, messages: Sequence[dict[str, Any]], images: Sequence[Image.Image]) -> str:
        """Return the answer to messages whose media markers stand for the images in order."""
        text = self._template.render(messages=messages, add_generation_prompt=True)
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        self._read(text.encode(), images)
        return self._write()

    def _read(self, text: bytes, images: Sequence[Image.Image]) -> None:
        bitmaps = [_bitmap(image) for image in images]
        chunks = mtmd_cpp.mtmd_input_chunks_init()
        given = mtmd_cpp.mtmd_input_text(text, len(text), False, True)
        listed = (mtmd_cpp.mtmd_bitmap_p_ctypes * len(bitmaps))(*bitmaps)
        code = mtmd_cpp.mtmd_tokenize(self._eyes, chunks, ctypes.byref(given), listed, len(bitmaps))
        if code:
            raise EngineRefused(f"mtmd_tokenize returned {code}")
        past = llama_cpp.llama_pos(0)
        code = mtmd_cpp.mtmd_helper_eval_chunks(
            self._eyes, self._context, chunks, 0, 0, BATCH, True, ctypes.byref(past)
        )
        if code:
            raise EngineRefused(f"mtmd_helper_eval_chunks returned {code}")
        mtmd_cpp.mtmd_input_chunks_free(chunks)
        for bitmap in bitmaps:
            mtmd_cpp.mtmd_bitmap_free(bitmap)

    def _write(self) -> str:
        pieces = b""
        for _ in range(MOST_TOKENS):
            scores = llama_cpp.llama_get_logits_ith(self._context, -1)
            token = int(np.ctypeslib.as_array(scores, (self._words,)).argmax())
            if llama_cpp.llama_vocab_is_eog(self._vocabulary, token):
                return pieces.decode("utf-8", "replace")
            pieces += self._piece(token)
            one = (llama_cpp.llama_token * 1)(token)
            if llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(one, 1)):
                raise EngineRefused("llama_decode failed")
        self.unfinished += 1
        return pieces.decode("utf-8", "replace")

    def _piece(self, token: int) -> bytes:
        room = ctypes.create_string_buffer(64)
        length = llama_cpp.llama_token_to_piece(self._vocabulary, token, room, 64, 0, False)
        return room.raw[:length]


def _bitmap(image: Image.Image) -> Any:
    plain = on_white(image)
    data = np.frombuffer(plain.tobytes(), dtype=np.uint8)
    given = data.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
    return mtmd_cpp.mtmd_bitmap_init(plain.width, plain.height, given)


def on_white(image: Image.Image) -> Image.Image:
    """Return an RGB picture; what is transparent shows white."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, layer).convert("RGB")
