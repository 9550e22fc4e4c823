from __future__ import annotations

from dataclasses import dataclass

import pytest

from localai.gallery.fit import FreeMemory
from localai.gallery.memory import LASTING, MemoryWatch, free_memory
from localai.hardware.gpu import Api
from tests.unit.hardware.recorded import Recorded, failed, printed

GIB = 2**30
MEMINFO = {"/proc/meminfo": f"MemTotal: {8 * GIB // 1024} kB\nMemAvailable: {4 * GIB // 1024} kB\n"}
NVIDIA = {"nvidia-smi": printed("GPU-1, RTX, 24576, 20480\n")}


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def watch(probe: Recorded, *apis: Api, clock: Clock | None = None) -> MemoryWatch:
    return MemoryWatch(probe, lambda: apis, clock or Clock())


def test_a_gpu_that_no_engine_here_can_use_does_not_count() -> None:
    assert watch(Recorded(NVIDIA, MEMINFO)).free() == FreeMemory(4 * GIB, 0)
    assert watch(Recorded(NVIDIA, MEMINFO), "rocm").free() == FreeMemory(4 * GIB, 0)
    assert watch(Recorded(NVIDIA, MEMINFO), "cuda").free() == FreeMemory(4 * GIB, 20 * GIB)


def test_only_what_tells_of_memory_is_asked() -> None:
    probe = Recorded(NVIDIA, MEMINFO)
    watch(probe, "cuda").free()

    assert {line.split()[0] for line in probe.asked} == {"nvidia-smi"}
    probe.asked.clear()
    watch(probe).free()
    assert probe.asked == []


def test_it_is_asked_again_after_some_seconds_and_not_before() -> None:
    probe, clock = Recorded(NVIDIA, MEMINFO), Clock()
    watching = watch(probe, "cuda", clock=clock)
    first = watching.free()
    asked = len(probe.asked)
    clock.now += LASTING - 0.1
    assert watching.free() == first
    assert len(probe.asked) == asked

    probe.commands = {"nvidia-smi": printed("GPU-1, RTX, 24576, 1024\n")}
    clock.now += 0.2
    assert watching.free() == FreeMemory(4 * GIB, GIB)


def test_a_driver_in_trouble_is_left_alone_for_longer() -> None:
    probe, clock = Recorded({"nvidia-smi": failed("no answer")}, MEMINFO), Clock()
    watching = watch(probe, "cuda", clock=clock)
    assert watching.free() == FreeMemory(4 * GIB, 0)
    asked = len(probe.asked)
    clock.now += 2 * LASTING
    watching.free()
    assert len(probe.asked) == asked
    clock.now += 60
    watching.free()
    assert len(probe.asked) > asked


@pytest.mark.parametrize(
    ("table", "free"),
    [("GPU-1, GB10, [N/A], [N/A]\n", 0), ("GPU-1, RTX, 8192, [Unknown Error]\n", 8 * GIB)],
)
def test_shared_memory_counts_once_and_unknown_use_counts_as_none(table: str, free: int) -> None:
    assert watch(Recorded({"nvidia-smi": printed(table)}, MEMINFO), "cuda").free().device == free


def test_this_machine_has_memory() -> None:
    assert free_memory().host > 0
