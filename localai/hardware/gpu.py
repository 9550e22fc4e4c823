"""What a GPU is to us, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Api = Literal["cuda", "rocm", "vulkan", "metal"]
"""How engines speak to a GPU."""
API_NAMES: dict[Api, str] = {"cuda": "CUDA", "rocm": "ROCm", "vulkan": "Vulkan", "metal": "Metal"}


@dataclass(frozen=True)
class Gpu:
    """A GPU; sizes in bytes, None where its tools do not tell."""

    vendor: str
    name: str
    memory_total: int | None
    memory_free: int | None
    api: Api
    """How engines speak to it best."""
    shares_memory: bool = False
    """Whether its memory is the machine's main memory."""
    other_apis: tuple[Api, ...] = ()
    """How they can speak to it as well."""

    @property
    def apis(self) -> tuple[Api, ...]:
        """All ways to speak to it, the best first."""
        return (self.api, *self.other_apis)


@dataclass(frozen=True)
class FoundGpus:
    """The GPUs that one source knows of, and what kept it from telling more."""

    gpus: tuple[Gpu, ...] = ()
    troubles: tuple[str, ...] = ()
