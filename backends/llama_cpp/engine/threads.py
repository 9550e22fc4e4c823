"""How many threads compute, and how they wait for each other."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

SPIN_COUNT = "1000"
_SPIN_VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def limit_spinning(environment: MutableMapping[str, str]) -> None:
    """Make OpenMP's threads go to sleep soon when they wait; call before llama.cpp is imported.

    llama.cpp is built with OpenMP where the compiler has it, and every operation of the graph ends
    in a barrier. GNU's default spins for milliseconds there, which is harmless on idle cores; but
    with any other thread on the same cores (this worker's own event loop, the gateway, another
    program) the spinning one takes the time of the one it waits for. Measured on 2 cores with a
    0.5B Q8_0, as tokens a second at 1, 4 and 8 streams:

        spin count     idle cores      beside another 2-thread program, at worst
        default        60   92  120     1    3   11
        1000           59   92  120    15   17   55
        0 (passive)    33   66   95    30   45   60

    A short spin costs nothing where cores are idle and keeps going where they are not. Whoever
    sets either variable knows better.
    """
    if not any(name in environment for name in _SPIN_VARIABLES):
        environment["GOMP_SPINCOUNT"] = SPIN_COUNT


def default_threads() -> int:
    """Return the number of physical cores that this process may use, at least 1.

    Two threads on one core share its arithmetic units, so that the second adds barriers and
    nothing else; threads beyond a container's CPU quota are stopped in the middle of a barrier.
    """
    cores = len({_core_of(cpu) for cpu in _usable_cpus()})
    quota = _cpu_quota(Path("/sys/fs/cgroup/cpu.max"))
    return max(1, cores if quota is None else min(cores, quota))


def _usable_cpus() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _core_of(cpu: int) -> str:
    """Return what tells the core of `cpu` from others: the list of the threads it runs."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return str(cpu)


def _cpu_quota(path: Path) -> int | None:
    """Return the whole CPUs that a container's quota is worth, None without a quota."""
    try:
        quota, period = path.read_text("ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, int(quota) // int(period))
