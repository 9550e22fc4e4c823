"""Bytes that look like models."""

from __future__ import annotations

import hashlib
import random


def gguf(size: int = 5000, seed: int = 0) -> bytes:
    """Return `size` bytes that begin like a GGUF file and are the same every time."""
    return (b"GGUF\x03\x00\x00\x00" + random.Random(seed).randbytes(size))[:size]


def sha256(content: bytes) -> str:
    """Return the hash of `content`, in hex."""
    return hashlib.sha256(content).hexdigest()
