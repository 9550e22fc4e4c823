"""The card's options for this backend."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from localai.errors import LoadFailed, nearest

VAD_OPTIONS = (
    "threshold", "neg_threshold", "min_speech_duration_ms", "min_silence_duration_ms",
    "speech_pad_ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What `backend.yaml` describes, with the same defaults."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    device_index: int = 0
    compute_type: str = "auto"
    cpu_threads: int = 0
    num_workers: int = 1
    beam_size: int = 5
    condition_on_previous_text: bool = True
    batched: Literal["auto", "on", "off"] = "auto"
    batched_from: float = 120.0
    batch_size: int = 8
    chunk_length: int = 30
    vad_filter: bool = False
    vad: Mapping[str, float] = field(default_factory=dict)
    window: int = 600

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Return the options of a card; raises LoadFailed for a name that does not exist."""
        known = [one.name for one in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                raise LoadFailed(f"faster_whisper has no option '{name}'.{nearest(name, known)}")
        parsed = cls(**options)
        _check_vad(parsed.vad)
        return parsed

    def is_batched(self, seconds: float) -> bool:
        """Tell whether audio of this length is computed in batches."""
        if self.batched == "auto":
            return seconds >= self.batched_from
        return self.batched == "on"


def _check_vad(vad: Mapping[str, Any]) -> None:
    for name, value in vad.items():
        if name not in VAD_OPTIONS:
            raise LoadFailed(f"vad has no '{name}'.{nearest(name, VAD_OPTIONS)}")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or value < 0 or ("threshold" in name and value > 1):
            most = "from 0 to 1" if "threshold" in name else "of milliseconds"
            raise LoadFailed(f"vad.{name}: {value!r} is not a number {most}.")
