"""What the first bytes of a file say about its format."""

from __future__ import annotations

GGUF_MAGIC = b"GGUF"
HEAD = 64
"""Bytes that are enough to tell."""

_STARTS = {
    b"version https://git-lfs": "a Git LFS pointer: fetch the real file with `git lfs pull`",
    b"PK\x03\x04": "a zip archive, perhaps a PyTorch checkpoint",
    b"lmgg": "a model in the old GGML format, which llama.cpp no longer reads",
    b"tjgg": "a model in the old GGJT format, which llama.cpp no longer reads",
    b"fmgg": "a model in the old GGMF format, which llama.cpp no longer reads",
}


def name_format(head: bytes) -> str:
    """Return in words what a file that is no GGUF model is, as far as its start tells."""
    if not head:
        return "empty"
    for start, what in _STARTS.items():
        if head.startswith(start):
            return what
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page"
    if head[8:10] == b'{"':
        return "a safetensors file: convert it to GGUF first"
    return f"something else, as it starts with {head[:4]!r}"
