"""Tells when memory ran out, and gives back what is held for nothing."""

from __future__ import annotations

import gc

import torch

from localai.errors import OutOfMemory

_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an engine failed for lack of memory; on the CPU it says so only in words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


def free_memory() -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory(width: int, height: int) -> OutOfMemory:
    """Return the error for a picture that needs more memory than there is."""
    return OutOfMemory(
        f"Drawing {width}x{height} pixels needs more memory than there is: ask for a smaller "
        "'size', or set `vae_tiling`, `attention_slicing` or `offload` in the card's options.",
        param="size",
    )
