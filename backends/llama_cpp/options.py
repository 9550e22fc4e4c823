"""The card's options for this backend, checked against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from localai.errors import LoadFailed, nearest
from localai.worker.long_input import Policy

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
PLAIN_CACHE_TYPES = frozenset({"f32", "f16", "bf16"})


@dataclass(frozen=True, slots=True)
class Options:
    """What `backend.yaml` describes, with the same defaults."""

    n_ctx: int = 0
    n_batch: int = 512
    n_ubatch: int = 0
    prompt_chunk: int = 0
    n_threads: int = 0
    n_threads_batch: int = 0
    n_gpu_layers: int = -1
    split_mode: Literal["none", "layer", "row"] = "layer"
    main_gpu: int = 0
    tensor_split: tuple[float, ...] = ()
    use_mmap: bool | None = None
    use_mlock: bool = False
    flash_attn: Literal["auto", "on", "off"] = "auto"
    kv_unified: bool = False
    swa_full: bool = True
    cache_type_k: CacheType = "f16"
    cache_type_v: CacheType = "f16"
    rope_freq_base: float = 0.0
    rope_freq_scale: float = 0.0
    chat_template: str | None = None
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    normalize: bool = True
    long_input: Policy = "refuse"
    max_input: int = 8191
    mmproj: str | None = None
    image_min_tokens: int = 0
    image_max_tokens: int = 0

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Return the options of a card.

        Raises LoadFailed for an unknown name and for options that contradict each other.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                raise LoadFailed(f"llama_cpp has no option '{name}'.{nearest(name, known)}")
        shares = tuple(float(share) for share in options.get("tensor_split") or ())
        parsed = cls(**{**options, "tensor_split": shares})
        parsed._check()
        return parsed

    def _check(self) -> None:
        if self.flash_attn == "off" and self.cache_type_v not in PLAIN_CACHE_TYPES:
            raise LoadFailed(
                f"cache_type_v: {self.cache_type_v} needs flash attention, but flash_attn is off: "
                "change one of them."
            )
        if self.main_gpu and self.split_mode != "none":
            raise LoadFailed(
                f"main_gpu: {self.main_gpu} has no effect with split_mode: {self.split_mode}; "
                "set split_mode: none to put the whole model on one GPU."
            )
        if self.tensor_split and self.split_mode == "none":
            raise LoadFailed("tensor_split has no effect with split_mode: none; leave one out.")
        if self.n_ubatch > self.n_batch:
            raise LoadFailed(
                f"n_ubatch: {self.n_ubatch} is more than n_batch: {self.n_batch}, "
                "so that it could never be reached; raise n_batch too."
            )
