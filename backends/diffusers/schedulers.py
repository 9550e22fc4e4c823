"""The schedulers by the names that cards use."""

from __future__ import annotations

from typing import Any

import diffusers

from localai.errors import LoadFailed

_SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
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


def scheduler_like(own: Any, name: str) -> Any:
    """Return the scheduler called `name` with the noise that the model's `own` one has.

    Raises LoadFailed where the two make different kinds of noise: flow matching and diffusion.
    """
    kind, changes = _SCHEDULERS[name]
    wants_flow = name.startswith("flow_")
    if wants_flow != type(own).__name__.startswith("FlowMatch"):
        fitting = [n for n in NAMES if n.startswith("flow_") != wants_flow]
        raise LoadFailed(
            f"scheduler: {name} does not fit this model, whose own is {type(own).__name__}: "
            f"use one of {', '.join(fitting)}."
        )
    return getattr(diffusers, kind).from_config(own.config, **changes)
