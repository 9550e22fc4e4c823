"""The processor, from `/proc/cpuinfo` or, on a Mac, `sysctl`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from localai.hardware.cgroups import cpu_quotas
from localai.hardware.probe import Probe

TELLING = (
    "sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16",
    "amx_bf16", "amx_int8", "asimd", "asimddp", "i8mm", "bf16", "sve", "sve2",
)  # fmt: skip
"""The instructions that engines are quicker with, by the kernel's names."""


@dataclass(frozen=True)
class Cpu:
    """A processor."""

    model: str
    cores: int
    """Physical cores; threads that share one count once."""
    features: tuple[str, ...]
    """Which of `TELLING` it has."""
    quota: float | None = None
    """How many cores' time a container may have, None for all."""


def detect_cpu(probe: Probe) -> Cpu:
    """Return this machine's processor."""
    system, kind = probe.system()
    if system == "Darwin":
        ran = probe.run("sysctl", "machdep.cpu.brand_string", "hw.physicalcpu")
        return parse_sysctl(ran.out if ran else "", kind)
    cpu = parse_cpuinfo(probe.read("/proc/cpuinfo") or "", kind)
    quota = min(cpu_quotas(probe), default=None)
    return replace(cpu, quota=quota) if quota is not None and quota < cpu.cores else cpu


def parse_cpuinfo(text: str, kind: str) -> Cpu:
    """Return the processor that Linux's `/proc/cpuinfo` describes; `kind` names a nameless one."""
    blocks = [
        _fields(block) for block in re.split(r"\n\s*\n", text) if block.startswith("processor")
    ]
    first = blocks[0] if blocks else {}
    flags = set((first.get("flags") or first.get("Features") or "").split())
    name = first.get("model name") or kind
    return Cpu(name, _cores(blocks), tuple(flag for flag in TELLING if flag in flags))


def parse_sysctl(text: str, kind: str) -> Cpu:
    """Return the processor that macOS's `sysctl` describes."""
    found = _fields(text)
    cores = found.get("hw.physicalcpu", "")
    features = ("asimd",) if kind == "arm64" else ()
    return Cpu(
        found.get("machdep.cpu.brand_string", kind),
        int(cores) if cores.isdecimal() else 1,
        features,
    )


def _cores(blocks: list[dict[str, str]]) -> int:
    places = {(one["physical id"], one["core id"]) for one in blocks if "core id" in one}
    # Virtual machines and ARM name no places.
    return len(places) or len(blocks) or 1


def _fields(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
