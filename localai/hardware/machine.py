"""All that is known of this machine, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localai.hardware.amd import detect_amd
from localai.hardware.cpu import Cpu, detect_cpu
from localai.hardware.gpu import Found, Gpu
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
    found = [
        detect_nvidia(here), detect_amd(here), detect_metal(here, cpu, memory),
        detect_vulkan(here),
    ]  # fmt: skip
    return Machine(
        cpu=cpu,
        memory=memory,
        gpus=_each_once(found),
        disk_free=here.disk_free(folder),
        container_engine=detect_container_engine(here),
        bubblewrap=detect_bubblewrap(here),
        compilers=detect_compilers(here),
        troubles=tuple(one.trouble for one in found if one.trouble),
    )


def _each_once(found: list[Found]) -> tuple[Gpu, ...]:
    """Return all GPUs; of one vendor only those of the first source, for Vulkan lists all again."""
    kept: list[Gpu] = []
    for source in found:
        known = {gpu.vendor for gpu in kept}
        kept += [gpu for gpu in source.gpus if gpu.vendor not in known]
    return tuple(kept)
