"""What memory this machine has free, as `fit` asks for it."""

from __future__ import annotations

from localai.gallery.fit import FreeMemory


def free_memory() -> FreeMemory:
    """Return what this machine has free, of the GPU that has most."""
    from localai.hardware.machine import detect

    machine = detect()
    # What shares main memory would be counted twice.
    devices = [gpu.memory_free or 0 for gpu in machine.gpus if not gpu.shares_memory]
    return FreeMemory(machine.memory.free, max(devices, default=0))
