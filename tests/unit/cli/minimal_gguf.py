"""A GGUF file that says what it is, and nothing more."""

from __future__ import annotations

import struct

_TEXT = 8


def minimal_gguf(architecture: str = "llama") -> bytes:
    """Return 5000 bytes: a header with the architecture and a chat template, without tensors."""
    told = {"general.architecture": architecture, "tokenizer.chat_template": "{{ messages }}"}
    header = b"GGUF" + struct.pack("<IQQ", 3, 0, len(told))
    for key, value in told.items():
        header += _text(key) + struct.pack("<I", _TEXT) + _text(value)
    return header.ljust(5000, b"\0")


def _text(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content
