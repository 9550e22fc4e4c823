"""Main memory: what the machine has, and what a container leaves of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from localai.hardware.cgroups import memory_limits
from localai.hardware.probe import Probe


@dataclass(frozen=True)
class Memory:
    """Main memory, in bytes."""

    total: int
    free: int
    """What a new program can have, caches of files included."""


def detect_memory(probe: Probe) -> Memory:
    """Return the memory that programs here may have; a container's limit counts."""
    if probe.system()[0] == "Darwin":
        size, pages = probe.run("sysctl", "-n", "hw.memsize"), probe.run("vm_stat")
        return parse_mac(size.out if size else "", pages.out if pages else "")
    memory = parse_meminfo(probe.read("/proc/meminfo") or "")
    for limit, taken in memory_limits(probe):
        memory = within_limit(memory, limit, taken)
    return memory


def parse_meminfo(text: str) -> Memory:
    """Return the memory that Linux's `/proc/meminfo` describes."""
    found = {key: int(size) * 1024 for key, size in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    return Memory(found.get("MemTotal", 0), found.get("MemAvailable", found.get("MemFree", 0)))


def within_limit(memory: Memory, limit: int, taken: int) -> Memory:
    """Return what a container's limit leaves; version 1 of cgroups writes none as a huge number."""
    return Memory(min(memory.total, limit), min(memory.free, max(0, limit - taken)))


def parse_mac(size: str, pages: str) -> Memory:
    """Return the memory of a Mac from `sysctl -n hw.memsize` and `vm_stat`."""
    page = int(found[1]) if (found := re.search(r"page size of (\d+) bytes", pages)) else 4096
    idle = re.findall(r"^Pages (?:free|inactive|speculative):\s+(\d+)\.", pages, re.M)
    return Memory(
        int(size) if size.strip().isdecimal() else 0, sum(int(count) for count in idle) * page
    )
