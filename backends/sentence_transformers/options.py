"""The card's options for this backend."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from localai.errors import LoadFailed, nearest
from localai.worker.long_input import Policy


@dataclass(frozen=True, slots=True)
class Options:
    """What `backend.yaml` describes, with the same defaults."""

    device: str = "auto"
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    n_threads: int = 0
    n_ctx: int = 0
    long_input: Policy = "refuse"
    max_input: int = 8191
    normalize: bool = True
    prompt: str | None = None
    max_batch: int = 32
    max_batch_tokens: int = 4096
    trust_remote_code: bool = False

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Return the options of a card; raises LoadFailed for an unknown name."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                hint = nearest(name, known)
                raise LoadFailed(f"sentence_transformers has no option '{name}'.{hint}")
        return cls(**options)
