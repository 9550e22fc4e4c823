"""The schedulers by the names that cards use."""

from __future__ import annotations

import inspect
from typing import Any

import diffusers

from localai.errors import LoadFailed

_SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    # Latents go beyond the -1 to 1 that pixels have.
    "ddim": ("DDIMScheduler", {"clip_sample": False}),
    "ddpm": ("DDPMScheduler", {"clip_sample": False}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "lms": ("LMSDiscreteScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpm++_2m": ("DPMSolverMultistepScheduler", {}),
    "dpm++_2m_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "dpm++_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
    "flow_euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "flow_heun": ("FlowMatchHeunDiscreteScheduler", {}),
}
NAMES = tuple(_SCHEDULERS)
_NO_LEVELS_OF_THEIR_OWN = ("StableDiffusion3", "SanaPipeline", "LuminaPipeline", "AuraFlow")
"""Pipelines for flow matching that leave the levels of noise to their scheduler."""


def scheduler_for(pipeline: Any, name: str) -> Any:
    """Return the scheduler called `name` with the noise that the pipeline's own one has.

    Raises LoadFailed where the two make different kinds of noise, flow matching and diffusion, and
    where the pipeline asks for what the scheduler cannot do.
    """
    own = pipeline.scheduler
    kind, changes = _SCHEDULERS[name]
    wants_flow = name.startswith("flow_")
    if wants_flow != type(own).__name__.startswith("FlowMatch"):
        fitting = [n for n in NAMES if n.startswith("flow_") != wants_flow]
        raise LoadFailed(
            f"scheduler: {name} does not fit this model, whose own is {type(own).__name__}: "
            f"use one of {', '.join(fitting)}."
        )
    if name == "flow_heun":
        _check_levels(pipeline)
    return getattr(diffusers, kind).from_config(own.config, **changes)


def most_steps(scheduler: Any) -> int | None:
    """Return how many steps a scheduler can do, None for as many as one likes."""
    # Another kind may have kept the setting of the one it was made from, without heeding it.
    takes = inspect.signature(scheduler.set_timesteps).parameters
    if "original_inference_steps" not in takes:
        return None
    most: int | None = scheduler.config.original_inference_steps
    return most


def _check_levels(pipeline: Any) -> None:
    name = type(pipeline).__name__
    is_shifting = pipeline.scheduler.config.get("use_dynamic_shifting")
    if is_shifting or not name.startswith(_NO_LEVELS_OF_THEIR_OWN):
        raise LoadFailed(
            f"scheduler: flow_heun does not fit this model, because {name} sets the levels of "
            "noise itself: use flow_euler, or leave it out."
        )
