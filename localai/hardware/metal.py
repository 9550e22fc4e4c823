"""The GPU of a Mac with Apple's own processor, which Metal drives."""

from __future__ import annotations

from localai.hardware.cpu import Cpu
from localai.hardware.gpu import FoundGpus, Gpu
from localai.hardware.memory import Memory
from localai.hardware.probe import Probe

_SHARE = 2 / 3
"""How much of main memory macOS lets its GPU have by default, on machines of up to 36 GB."""


def detect_metal(probe: Probe, cpu: Cpu, memory: Memory) -> FoundGpus:
    """Return the GPU of an ARM Mac; its memory is a part of main memory."""
    if probe.system() != ("Darwin", "arm64"):
        return FoundGpus()
    return FoundGpus((metal_gpu(cpu, memory),))


def metal_gpu(cpu: Cpu, memory: Memory) -> Gpu:
    """Return the GPU beside `cpu` with what it may have of `memory`."""
    total = int(memory.total * _SHARE)
    return Gpu("apple", cpu.model, total, min(total, memory.free), "metal", shares_memory=True)
