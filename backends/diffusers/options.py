"""The card's options for this backend, checked against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from localai.errors import LoadFailed, nearest

Quality = Literal["low", "medium", "high"]
QUALITIES: tuple[Quality, ...] = ("low", "medium", "high")
_NO_OFFLOAD_ON = frozenset({"cpu", "mps"})


@dataclass(frozen=True, slots=True)
class Lora:
    """A file of low-rank changes to the model, and how strongly they count."""

    path: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """What `backend.yaml` describes, with the same defaults."""

    config: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    offload: Literal["none", "model", "sequential"] = "none"
    vae_tiling: bool = False
    vae_slicing: bool = False
    attention_slicing: bool = False
    scheduler: str | None = None
    lora: tuple[Lora, ...] = ()
    steps: int = 0
    quality_steps: Mapping[str, int] = dataclasses.field(default_factory=dict)
    guidance_scale: float | None = None
    negative_prompt: str | None = None
    strength: float = 0.75
    variation_strength: float = 0.6
    size: str | None = None
    render_size: Literal["asked", "native"] = "asked"
    max_pixels: int = 4_194_304

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Return the options of a card.

        Raises LoadFailed for an unknown name and for values that cannot be used.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                raise LoadFailed(f"diffusers has no option '{name}'.{nearest(name, known)}")
        loras = tuple(_lora(entry) for entry in options.get("lora") or ())
        steps = _quality_steps(options.get("quality_steps") or {})
        parsed = cls(**{**options, "lora": loras, "quality_steps": steps})
        parsed._check()
        return parsed

    def default_size(self) -> tuple[int, int] | None:
        """Return the size in pixels of pictures for which nobody asks one, None = the model's."""
        if self.size is None:
            return None
        width, _, height = self.size.partition("x")
        return int(width), int(height)

    def _check(self) -> None:
        if self.offload != "none" and self.device in _NO_OFFLOAD_ON:
            raise LoadFailed(
                f"offload: {self.offload} moves parts of the model to a GPU and back, but device "
                f"is {self.device}: change one of them."
            )
        if self.size is not None:
            width, _, height = self.size.partition("x")
            if not (width.isdigit() and height.isdigit()):
                raise LoadFailed(f"size: {self.size!r} should be WIDTHxHEIGHT, as 512x512.")


def _lora(entry: Any) -> Lora:
    known = {field.name for field in dataclasses.fields(Lora)}
    if not (isinstance(entry, dict) and isinstance(entry.get("path"), str) and set(entry) <= known):
        raise LoadFailed(f"lora: {entry!r} should be {{path: FILE, scale: NUMBER}}.")
    return Lora(**entry)


def _quality_steps(entries: Any) -> dict[str, int]:
    for quality, steps in entries.items():
        if quality not in QUALITIES:
            hint = nearest(str(quality), QUALITIES)
            raise LoadFailed(f"quality_steps has no '{quality}': use low, medium, high.{hint}")
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise LoadFailed(f"quality_steps.{quality}: {steps!r} should be a number of steps.")
    return dict(entries)
