"""What memory this machine has free, as `fit` asks for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

from localai.gallery.fit import FreeMemory
from localai.hardware.cpu import Cpu
from localai.hardware.engines import llama_built_for
from localai.hardware.gpu import Api, Gpu
from localai.hardware.machine import detect_gpus
from localai.hardware.memory import detect_memory
from localai.hardware.probe import Probe, ThisMachine

LASTING = 5.0
"""Seconds that an answer counts."""
_WITHIN = 3.0
"""Seconds that a driver may take to tell; a hanging one must not make every search hang."""
_AFTER_TROUBLE = 60.0
"""Seconds that a driver in trouble is not asked again."""
_UNNAMED = Cpu("processor", 1, ())


class MemoryWatch:
    """Asks the machine, and remembers what it said for some seconds; for threads."""

    def __init__(
        self,
        probe: Probe,
        built_for: Callable[[], Collection[Api]] = llama_built_for,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe = probe
        self._built_for = built_for
        self._clock = clock
        self._asking = threading.Lock()
        self._told: FreeMemory | None = None
        self._until = 0.0

    def free(self) -> FreeMemory:
        """Return what is free, of the GPU that has most among those that llama.cpp can use."""
        with self._asking:
            if self._told is None or self._clock() >= self._until:
                self._told, lasting = self._ask()
                self._until = self._clock() + lasting
            return self._told

    def _ask(self) -> tuple[FreeMemory, float]:
        memory = detect_memory(self._probe)
        found = detect_gpus(self._probe, _UNNAMED, memory, self._built_for())
        # What shares main memory would be counted twice.
        sizes = [_free_of(gpu) for gpu in found.gpus if not gpu.shares_memory]
        lasting = _AFTER_TROUBLE if found.troubles else LASTING
        return FreeMemory(memory.free, max(sizes, default=0)), lasting


def free_memory() -> FreeMemory:
    """Return what this machine has free; a GPU that no engine was built for does not count."""
    return _watch.free()


def _free_of(gpu: Gpu) -> int:
    # A slice of a GPU, and an AMD GPU of amd-smi, tell only how large they are.
    known = gpu.memory_total if gpu.memory_free is None else gpu.memory_free
    return known or 0


_watch = MemoryWatch(ThisMachine(_WITHIN))
