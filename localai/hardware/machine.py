"""All that is known of this machine, as one value."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from localai.hardware.amd import detect_amd
from localai.hardware.cpu import Cpu, detect_cpu
from localai.hardware.gpu import Api, FoundGpus, Gpu
from localai.hardware.memory import Memory, detect_memory
from localai.hardware.metal import detect_metal
from localai.hardware.nvidia import detect_nvidia
from localai.hardware.probe import Probe, ThisMachine
from localai.hardware.tools import (
    Tool,
    detect_bubblewrap,
    detect_compilers,
    detect_container_engine,
)
from localai.hardware.vulkan import detect_vulkan

_SOURCES: tuple[tuple[str, Api, Callable[[Probe, Cpu, Memory], FoundGpus]], ...] = (
    ("nvidia-smi", "cuda", lambda probe, cpu, memory: detect_nvidia(probe)),
    ("rocm-smi", "rocm", lambda probe, cpu, memory: detect_amd(probe)),
    ("Metal", "metal", detect_metal),
    ("vulkaninfo", "vulkan", lambda probe, cpu, memory: detect_vulkan(probe)),
)
"""Who tells of GPUs, and how engines speak to those."""


@dataclass(frozen=True)
class Machine:
    """What engines can use here; sizes in bytes."""

    cpu: Cpu
    memory: Memory
    gpus: tuple[Gpu, ...] = ()
    disk_free: int | None = None
    """Where the models are kept."""
    container_engine: Tool | None = None
    bubblewrap: Tool | None = None
    compilers: tuple[Tool, ...] = ()
    troubles: tuple[str, ...] = ()
    """What kept tools from telling about a device that may be there."""


def detect(probe: Probe | None = None, folder: Path = Path("/")) -> Machine:
    """Return what this machine has; `folder` is where models are kept.

    Takes a second or two where GPU tools are installed, and a bounded time where they hang.
    """
    here = probe or ThisMachine()
    cpu, memory = detect_cpu(here), detect_memory(here)
    found = detect_gpus(here, cpu, memory)
    return Machine(
        cpu=cpu,
        memory=memory,
        gpus=found.gpus,
        disk_free=here.disk_free(folder),
        container_engine=detect_container_engine(here),
        bubblewrap=detect_bubblewrap(here),
        compilers=detect_compilers(here),
        troubles=found.troubles,
    )


def detect_gpus(
    probe: Probe, cpu: Cpu, memory: Memory, apis: Collection[Api] | None = None
) -> FoundGpus:
    """Return the GPUs that can be spoken to in one of `apis`, None for all, and all troubles."""
    found = [
        _ask(name, source, probe, cpu, memory)
        for name, api, source in _SOURCES
        if apis is None or api in apis
    ]
    return FoundGpus(_each_once(found), tuple(one for source in found for one in source.troubles))


def _ask(
    name: str,
    source: Callable[[Probe, Cpu, Memory], FoundGpus],
    probe: Probe,
    cpu: Cpu,
    memory: Memory,
) -> FoundGpus:
    try:
        return source(probe, cpu, memory)
    except Exception as error:
        # What a tool prints is not ours to trust, and no reason to know nothing of the machine.
        text = f"what `{name}` tells cannot be understood: {type(error).__name__}: {error}"
        return FoundGpus(troubles=(text,))


def _each_once(found: list[FoundGpus]) -> tuple[Gpu, ...]:
    """Return all GPUs; of one vendor those of the first source, which others may reach as well.

    Vulkan lists again what the vendors' own tools know.
    """
    kept: list[Gpu] = []
    for source in found:
        known = {gpu.vendor for gpu in kept}
        kept = [_also(gpu, source) for gpu in kept]
        kept += [gpu for gpu in source.gpus if gpu.vendor not in known]
    return tuple(kept)


def _also(gpu: Gpu, source: FoundGpus) -> Gpu:
    more = (one.api for one in source.gpus if one.vendor == gpu.vendor)
    new = dict.fromkeys(api for api in more if api not in gpu.apis)
    return replace(gpu, other_apis=(*gpu.other_apis, *new)) if new else gpu
