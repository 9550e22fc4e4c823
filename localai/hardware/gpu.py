"""What a GPU is to us, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Api = Literal["cuda", "rocm", "vulkan", "metal"]
"""How engines speak to a GPU."""


@dataclass(frozen=True)
class Gpu:
    """A GPU; sizes in bytes, None where its tools do not tell."""

    vendor: str
    name: str
    memory_total: int | None
    memory_free: int | None
    api: Api
    shares_memory: bool = False
    """Whether its memory is the machine's main memory."""


@dataclass(frozen=True)
class Found:
    """The GPUs that one source knows of, and what kept it from telling."""

    gpus: tuple[Gpu, ...] = ()
    trouble: str | None = None
