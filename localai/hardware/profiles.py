"""Which set of models suits a machine, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from localai.amounts import shown_bytes
from localai.hardware.gpu import API_NAMES, Api, Gpu
from localai.hardware.machine import Machine

Profile = Literal["cpu", "gpu-8g", "gpu-24g"]

GIB = 2**30
LEAST: tuple[tuple[Profile, float], ...] = (("gpu-24g", 22 * GIB), ("gpu-8g", 7.5 * GIB))
"""GPU memory that a profile needs; cards sold as 24 GB and 8 GB report somewhat less."""


@dataclass(frozen=True)
class ProfileChoice:
    """A profile and the sentence that says why it is this one."""

    profile: Profile
    reason: str


def choose_profile(machine: Machine, built_for: Collection[Api] | None = None) -> ProfileChoice:
    """Return the largest profile that fits a GPU which the engines can use, else `cpu`.

    `built_for` is what the engine of language models was built for; None takes any GPU.
    """
    choice = _choose(machine, built_for)
    if not machine.troubles:
        return choice
    # Who has a large GPU and gets small models has to learn here that its driver does not answer.
    told = "; ".join(machine.troubles)
    return ProfileChoice(
        choice.profile, f"{choice.reason}, and not all of the machine is known: {told}"
    )


def _choose(machine: Machine, built_for: Collection[Api] | None) -> ProfileChoice:
    if not machine.gpus:
        return ProfileChoice("cpu", "no GPU was found")
    usable = [gpu for gpu in machine.gpus if built_for is None or set(gpu.apis) & set(built_for)]
    if not usable:
        return ProfileChoice("cpu", _not_built_for(machine.gpus[0], built_for or ()))
    strong = [gpu for gpu in usable if _drives_pictures(gpu, built_for)]
    if not strong:
        text = f"llama.cpp reaches the {usable[0].name} through Vulkan, which speeds up chat"
        return ProfileChoice("cpu", f"{text} but no pictures")
    # Models do not spread over GPUs as well as they fill one.
    best = max(strong, key=lambda gpu: _memory(gpu, machine))
    size = _memory(best, machine)
    if not size:
        return ProfileChoice("cpu", f"it is not known how much memory the {best.name} has")
    for profile, least in LEAST:
        if size >= least:
            return ProfileChoice(profile, f"the {best.name} has {shown_bytes(size)}")
    smallest, least = LEAST[-1]
    needs = f"{smallest} needs {shown_bytes(least)}"
    return ProfileChoice("cpu", f"the {best.name} has {shown_bytes(size)}, and {needs}")


def _memory(gpu: Gpu, machine: Machine) -> int:
    """Return the bytes that models may have on `gpu`, 0 where nobody knows."""
    if gpu.memory_total is not None:
        return gpu.memory_total
    # NVIDIA's boards with one memory for both; a processor's own graphics gain nothing.
    return machine.memory.total // 2 if gpu.shares_memory and gpu.api == "cuda" else 0


def _drives_pictures(gpu: Gpu, built_for: Collection[Api] | None) -> bool:
    return any(api != "vulkan" and (built_for is None or api in built_for) for api in gpu.apis)


def _not_built_for(gpu: Gpu, built_for: Collection[Api]) -> str:
    has = " and ".join(API_NAMES[api] for api in sorted(built_for)) or "the processor alone"
    wants = API_NAMES[gpu.api]
    return f"there is the {gpu.name}, but llama.cpp was built here for {has}, not {wants}"
