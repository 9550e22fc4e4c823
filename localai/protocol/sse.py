"""Server-sent events as OpenAI sends them: `data:` frames, a blank line after each.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html and OpenAI's streaming guide.
"""

from __future__ import annotations

from typing import Any

import orjson

from localai.errors import LocalAIError

CONTENT_TYPE = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"
_END = b"\n\n"


def data_frame(payload: dict[str, Any]) -> bytes:
    """Return one `data:` frame that carries `payload` as JSON on a single line."""
    return b"data: " + orjson.dumps(payload) + _END


def error_frame(error: LocalAIError) -> bytes:
    """Return the frame that ends a stream which failed after its first byte."""
    return data_frame(error.envelope())


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
        self._rest = b""
        self.last = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the complete frames of what was fed, possibly `b""`."""
        if not self._rest and chunk.endswith(_END):
            self.last = chunk
            return chunk
        chunk = self._rest + chunk
        end = chunk.rfind(_END)
        if end < 0:
            self._rest = chunk
            return b""
        whole, self._rest = chunk[: end + 2], chunk[end + 2 :]
        self.last = whole
        return whole
