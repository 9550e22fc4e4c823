"""What a container, a service or a user's session leaves of the machine (cgroups 1 and 2)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localai.hardware.probe import Probe

_ROOT = "/sys/fs/cgroup"


def groups(probe: Probe, controller: str) -> Iterator[tuple[str, bool]]:
    """Yield the folders that tell the limits of this process, its own first, then all around it.

    Each with whether it is of version 2. A limit of any of them holds. Where a container sees its
    own group as the root, the folders in between are not there, which reading them tells.
    """
    for path, is_second in _paths(probe.read("/proc/self/cgroup") or "", controller):
        root = _ROOT if is_second else f"{_ROOT}/{controller}"
        parts = [part for part in path.split("/") if part not in {"", ".."}]
        for count in range(len(parts), -1, -1):
            yield "/".join((root, *parts[:count])), is_second


def _paths(text: str, controller: str) -> list[tuple[str, bool]]:
    """Return the process's group of both versions; the roots where the kernel tells none."""
    found = {True: "/", False: "/"}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            found[True] = path
        elif controller in controllers.split(","):
            found[False] = path
    return [(found[True], True), (found[False], False)]


def memory_limits(probe: Probe) -> Iterator[tuple[int, int]]:
    """Yield each limit of memory with what is taken of it, in bytes.

    Files that the kernel keeps in memory and gives back when asked do not count as taken.
    """
    for folder, is_second in groups(probe, "memory"):
        names = ("max", "current") if is_second else ("limit_in_bytes", "usage_in_bytes")
        limit, used = (_number(probe.read(f"{folder}/memory.{name}")) for name in names)
        if limit is not None:
            key = "inactive_file" if is_second else "total_inactive_file"
            stat = probe.read(f"{folder}/memory.stat") or ""
            idle = re.search(rf"^{key} (\d+)$", stat, re.M)
            yield limit, max(0, (used or 0) - (int(idle[1]) if idle else 0))


def cpu_quotas(probe: Probe) -> Iterator[float]:
    """Yield each limit of processor time, in cores."""
    for folder, is_second in groups(probe, "cpu"):
        if is_second:
            quota, _, period = (probe.read(f"{folder}/cpu.max") or "").strip().partition(" ")
        else:
            quota = probe.read(f"{folder}/cpu.cfs_quota_us") or ""
            period = probe.read(f"{folder}/cpu.cfs_period_us") or ""
        told = _number(quota), _number(period)
        if told[0] and told[1]:
            yield told[0] / told[1]


def _number(text: str | None) -> int | None:
    """Return the number of a file, None for `max` and -1, which mean no limit."""
    return int(text) if text is not None and text.strip().isdecimal() else None
