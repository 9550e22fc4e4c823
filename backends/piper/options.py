"""The card's options for this backend."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from localai.errors import LoadFailed, nearest


@dataclass(frozen=True, slots=True)
class Options:
    """What `backend.yaml` describes, with the same defaults."""

    voice: str | None = None
    voices: dict[str, str | int] = field(default_factory=dict)
    length_scale: float | None = None
    noise_scale: float | None = None
    noise_w: float | None = None
    sentence_silence: float = 0.2
    volume: float = 1.0
    normalize: bool = True
    n_threads: int = 0
    use_cuda: bool = False

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Return the options of a card; raises LoadFailed for an unknown name."""
        known = [one.name for one in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                raise LoadFailed(f"piper has no option '{name}'.{nearest(name, known)}")
        return cls(**options)
