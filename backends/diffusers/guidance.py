"""What keeps a model to its prompt, and what of it a caller can change."""

from __future__ import annotations

from typing import Any

from backends.diffusers.pipelines import default_of, parameters

_SCALE_AS_INPUT = ("Flux", "QwenImage")
_NOT_AS_INPUT = ("Flux2",)
"""Families that hand the scale to the model, which reads it only if it was trained to."""


def heeds_scale(pipeline: Any) -> bool:
    """Tell whether `guidance_scale` changes what a pipeline draws."""
    if "guidance_scale" not in parameters(pipeline) or pipeline.config.get("is_distilled"):
        return False
    name = type(pipeline).__name__
    if not name.startswith(_SCALE_AS_INPUT) or name.startswith(_NOT_AS_INPUT):
        return True
    return bool(pipeline.transformer.config.get("guidance_embeds"))


def heeds_negative_prompt(pipeline: Any) -> bool:
    """Tell whether a pipeline can draw away from a negative prompt at all."""
    takes = parameters(pipeline)
    if "negative_prompt" not in takes or "true_cfg_scale" in takes:
        return False
    # Such a U-Net reads the scale as an input, and draws once a step instead of twice.
    unet = getattr(pipeline, "unet", None)
    return unet is None or unet.config.get("time_cond_proj_dim") is None


def draws_away(pipeline: Any, scale: float | None) -> bool:
    """Tell whether a negative prompt counts at this `guidance_scale`; None = the usual one."""
    if scale is None:
        scale = default_of(pipeline, "guidance_scale") or 0.0
    return heeds_negative_prompt(pipeline) and scale > 1
