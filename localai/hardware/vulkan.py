"""GPUs that Vulkan drives, as `vulkaninfo --summary` lists them; the way to Intel's."""

from __future__ import annotations

import re
from dataclasses import replace

from localai.hardware.gpu import FoundGpus, Gpu
from localai.hardware.probe import Probe

COMMAND = ("vulkaninfo", "--summary")
_VENDORS = {"0x1002": "amd", "0x10de": "nvidia", "0x8086": "intel", "0x106b": "apple"}
_FIELD = re.compile(r"^\s+(\w+)\s+= (.+?)\s*$", re.M)
_VRAM = "/sys/class/drm/card*/device/mem_info_vram_total"


def detect_vulkan(probe: Probe) -> FoundGpus:
    """Return the GPUs that Vulkan can use; a machine without any is no trouble."""
    ran = probe.run(*COMMAND)
    if ran is None or not ran.is_ok:
        return FoundGpus()
    return FoundGpus(with_memory(parse_vulkan(ran.out), _vram(probe)))


def parse_vulkan(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of a summary; those that a processor only imitates do not count."""
    found = (_gpu(dict(_FIELD.findall(part))) for part in re.split(r"^GPU\d+:", text, flags=re.M))
    return tuple(gpu for gpu in found if gpu is not None)


def with_memory(gpus: tuple[Gpu, ...], sizes: list[int]) -> tuple[Gpu, ...]:
    """Return `gpus` with the memory that AMD's driver told, where it is clear whose it is.

    The summary itself tells no sizes.
    """
    own = [gpu for gpu in gpus if gpu.vendor == "amd" and not gpu.shares_memory]
    if len(own) != 1 or not sizes:
        return gpus
    return tuple(replace(gpu, memory_total=max(sizes)) if gpu is own[0] else gpu for gpu in gpus)


def _gpu(fields: dict[str, str]) -> Gpu | None:
    kind = fields.get("deviceType", "")
    if not kind.endswith(("DISCRETE_GPU", "INTEGRATED_GPU", "VIRTUAL_GPU")):
        return None
    vendor = _VENDORS.get(fields.get("vendorID", ""), "other")
    name = fields.get("deviceName", "unnamed")
    return Gpu(vendor, name, None, None, "vulkan", kind.endswith("INTEGRATED_GPU"))


def _vram(probe: Probe) -> list[int]:
    texts = (probe.read(path) for path in probe.glob(_VRAM))
    return [int(text) for text in texts if text and text.strip().isdecimal()]
