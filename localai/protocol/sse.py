"""Server-sent events as OpenAI sends them: `data:` frames, a blank line after each.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html and OpenAI's streaming guide.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from localai.errors import LocalAIError

USAGE_HEADER = "x-localai-usage"
"""A request with this header has its stream end with a usage comment, for the gateway's books."""
CONTENT_TYPE = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"
_END = b"\n\n"
_USAGE = b": usage "
_USAGE_FRAME = re.compile(rb"(?:^|(?<=\n\n)): usage (\d+) (\d+)\n\n")


def data_frame(payload: dict[str, Any]) -> bytes:
    """Return one `data:` frame that carries `payload` as JSON on a single line."""
    return b"data: " + orjson.dumps(payload) + _END


def error_frame(error: LocalAIError) -> bytes:
    """Return the frame that ends a stream which failed after its first byte."""
    return data_frame(error.envelope())


def usage_comment(prompt_tokens: int, completion_tokens: int) -> bytes:
    """Return a comment frame with the token counts; clients pass over comments."""
    return b"%b%d %d\n\n" % (_USAGE, prompt_tokens, completion_tokens)


def take_usage(frames: bytes) -> tuple[bytes, tuple[int, int] | None]:
    """Return `frames` without a usage comment, and its prompt and completion tokens."""
    if _USAGE not in frames:
        return frames, None
    found = _USAGE_FRAME.search(frames)
    if found is None:
        return frames, None
    rest = frames[: found.start()] + frames[found.end() :]
    return rest, (int(found[1]), int(found[2]))


def is_terminal(frames: bytes) -> bool:
    """Tell whether `frames` ends with `[DONE]` or with an error frame."""
    if frames.endswith(DONE):
        return True
    last = frames.removesuffix(_END).rpartition(_END)[2]
    return last.startswith(b'data: {"error":')


class FrameCutter:
    """Cuts a byte stream at frame borders, so that a broken stream never leaves half a frame.

    Feed it what arrives; it returns all complete frames so far and keeps the rest.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._tail = b""
        """The last byte of the rest: the end of a frame may come in two pieces."""
        self.last = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the complete frames of what was fed, possibly `b""`."""
        if not self._rest and chunk.endswith(_END):
            self.last = chunk
            return chunk
        end = (self._tail + chunk).rfind(_END)
        if end < 0:
            self._keep(chunk)
            return b""
        cut = end + len(_END) - len(self._tail)
        whole = b"".join([*self._rest, chunk[:cut]])
        self._rest, self._tail = [], b""
        self._keep(chunk[cut:])
        self.last = whole
        return whole

    def _keep(self, piece: bytes) -> None:
        # Pieces and not one text: a picture in a frame comes in hundreds of them.
        if piece:
            self._rest.append(piece)
            self._tail = piece[-1:]
