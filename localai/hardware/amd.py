"""AMD's GPUs: by `rocm-smi`, else by `amd-smi`; engines use them through ROCm."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from localai.hardware.gpu import FoundGpus, Gpu
from localai.hardware.probe import Probe
from localai.hardware.visible import visible

ROCM_SMI = (
    "rocm-smi", "--showproductname", "--showuniqueid", "--showmeminfo", "vram", "--json",
)  # fmt: skip
AMD_SMI = ("amd-smi", "static", "--asic", "--vram", "--json")
DRIVER_VARIABLE = "ROCR_VISIBLE_DEVICES"
VARIABLES = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
"""HIP takes the first that is set; its numbers count what `ROCR_VISIBLE_DEVICES` leaves."""
_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
"""amd-smi counts in powers of two and writes them as the others."""
_SMALLEST = 2**30
"""Less is the part of main memory that a processor's own graphics take; ROCm does not run there."""
_SILENT = frozenset({"", "n/a", "none", "null"})


@dataclass(frozen=True)
class Card:
    """A GPU as its tool tells it; every part may be missing."""

    name: str | None
    total: int | None
    used: int | None = None
    uuid: str = ""
    """As `ROCR_VISIBLE_DEVICES` writes it, `GPU-` and 16 digits."""


def detect_amd(probe: Probe) -> FoundGpus:
    """Return AMD's GPUs that programs here may use; a tool that fails is told."""
    troubles: tuple[str, ...] = ()
    for command, parse in ((ROCM_SMI, parse_rocm_smi), (AMD_SMI, parse_amd_smi)):
        ran = probe.run(*command)
        if ran is not None and ran.is_ok and (cards := parse(ran.out)):
            return FoundGpus(tuple(_gpu(one) for one in _visible(cards, probe) if _is_gpu(one)))
        troubles = troubles or ((ran.trouble,) if ran is not None and not ran.is_ok else ())
    return FoundGpus(troubles=troubles)


def parse_rocm_smi(text: str) -> tuple[Card, ...]:
    """Return the cards of rocm-smi's JSON; sizes are bytes written as text."""
    told = _json(text)
    if not isinstance(told, dict):
        return ()
    cards = (card for key, card in told.items() if key.startswith("card"))
    return tuple(_of_rocm_smi(card) for card in cards if isinstance(card, dict))


def _of_rocm_smi(card: dict[str, Any]) -> Card:
    # The capitals of the keys changed between versions.
    told = {key.lower(): value for key, value in card.items()}
    digits = (_text(told.get("unique id")) or "").lower().removeprefix("0x")
    return Card(
        _text(told.get("card series")) or _text(told.get("card model")),
        _number(told.get("vram total memory (b)")),
        _number(told.get("vram total used memory (b)")),
        f"GPU-{digits.zfill(16)}" if digits else "",
    )


def parse_amd_smi(text: str) -> tuple[Card, ...]:
    """Return the cards of amd-smi's JSON, which newer versions wrap in `gpu_data`."""
    told = _json(text)
    cards = told.get("gpu_data") if isinstance(told, dict) else told
    if not isinstance(cards, list):
        return ()
    return tuple(_of_amd_smi(card) for card in cards if isinstance(card, dict))


def _of_amd_smi(card: dict[str, Any]) -> Card:
    asic, size = _part(card, "asic"), _part(_part(card, "vram"), "size")
    value, unit = _number(size.get("value")), _UNITS.get(_text(size.get("unit")) or "")
    total = None if value is None or unit is None else value * unit
    digits = (_text(asic.get("asic_serial")) or "").lower().removeprefix("0x")
    uuid = f"GPU-{digits.zfill(16)}" if digits else ""
    return Card(_text(asic.get("market_name")), total, None, uuid)


def _visible(cards: tuple[Card, ...], probe: Probe) -> list[Card]:
    left = _left(list(cards), probe.variable(DRIVER_VARIABLE))
    given = (probe.variable(name) for name in VARIABLES)
    return _left(left, next((text for text in given if text is not None), None))


def _left(cards: list[Card], variable: str | None) -> list[Card]:
    ids = [card.uuid for card in cards]
    if variable and variable.strip().upper().startswith("GPU-") and not any(ids):
        return cards  # nobody tells which it names
    return [cards[place] for place in visible(variable, ids)]


def _is_gpu(card: Card) -> bool:
    return (card.total or 0) >= _SMALLEST


def _gpu(card: Card) -> Gpu:
    free = None if card.total is None or card.used is None else max(0, card.total - card.used)
    return Gpu("amd", card.name or "AMD GPU", card.total, free, "rocm")


def _part(of: dict[str, Any], name: str) -> dict[str, Any]:
    # What a card does not tell is "N/A" where others have an object.
    part = of.get(name)
    return part if isinstance(part, dict) else {}


def _text(value: object) -> str | None:
    if not isinstance(value, str) or value.strip().lower() in _SILENT:
        return None
    return value.strip()


def _number(value: object) -> int | None:
    if isinstance(value, str):
        return int(value) if value.strip().isdecimal() else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < 2**63 else None


def _json(text: str) -> Any:
    # Warnings may stand before it.
    begin = re.search(r"^[\[{]", text, re.M)
    try:
        return json.loads(text[begin.start() :]) if begin else None
    except (ValueError, RecursionError):
        return None
