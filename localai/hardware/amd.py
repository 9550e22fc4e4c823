"""AMD's GPUs: by `rocm-smi`, else by `amd-smi`; engines use them through ROCm."""

from __future__ import annotations

import json
import re
from typing import Any

from localai.hardware.gpu import Found, Gpu
from localai.hardware.probe import Probe

ROCM_SMI = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json")
AMD_SMI = ("amd-smi", "static", "--asic", "--vram", "--json")
_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
"""amd-smi counts in powers of two and writes them as the others."""
_SMALLEST = 2**30
"""Less is the part of main memory that a processor's own graphics take; ROCm does not run there."""


def detect_amd(probe: Probe) -> Found:
    """Return AMD's GPUs that ROCm's tools know; a tool that fails is told."""
    trouble = None
    for command, parse in ((ROCM_SMI, parse_rocm_smi), (AMD_SMI, parse_amd_smi)):
        ran = probe.run(*command)
        if ran is not None and ran.is_ok and (gpus := parse(ran.out)):
            return Found(gpus)
        trouble = trouble or (ran.trouble if ran is not None and not ran.is_ok else None)
    return Found(trouble=trouble)


def parse_rocm_smi(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of rocm-smi's JSON; sizes are bytes written as text."""
    cards = _json(text)
    if not isinstance(cards, dict):
        return ()
    found = [_of_rocm_smi(card) for key, card in cards.items() if key.startswith("card")]
    return tuple(gpu for gpu in found if (gpu.memory_total or 0) >= _SMALLEST)


def _of_rocm_smi(card: dict[str, Any]) -> Gpu:
    # The capitals of the keys changed between versions.
    told = {str(key).lower(): str(value) for key, value in card.items()}
    total = _number(told.get("vram total memory (b)"))
    used = _number(told.get("vram total used memory (b)"))
    name = told.get("card series") or told.get("card model") or "AMD GPU"
    free = None if total is None or used is None else total - used
    return Gpu("amd", name, total, free, "rocm")


def parse_amd_smi(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of amd-smi's JSON, which newer versions wrap in `gpu_data`."""
    told = _json(text)
    cards = told.get("gpu_data", []) if isinstance(told, dict) else told or []
    found = [_of_amd_smi(card) for card in cards]
    return tuple(gpu for gpu in found if (gpu.memory_total or 0) >= _SMALLEST)


def _of_amd_smi(card: dict[str, Any]) -> Gpu:
    size, total = _part(_part(card, "vram"), "size"), None
    if size.get("unit") in _UNITS:
        total = int(size["value"]) * _UNITS[size["unit"]]
    return Gpu("amd", _part(card, "asic").get("market_name", "AMD GPU"), total, None, "rocm")


def _part(of: dict[str, Any], name: str) -> dict[str, Any]:
    # What a card does not tell is "N/A" where others have an object.
    part = of.get(name)
    return part if isinstance(part, dict) else {}


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _json(text: str) -> Any:
    # Warnings may stand before it.
    begin = re.search(r"^[\[{]", text, re.M)
    try:
        return json.loads(text[begin.start() :]) if begin else None
    except ValueError:
        return None
