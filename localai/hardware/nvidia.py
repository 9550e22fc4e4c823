"""NVIDIA's GPUs, as `nvidia-smi` lists them."""

from __future__ import annotations

import csv

from localai.hardware.gpu import Found, Gpu
from localai.hardware.probe import Probe

COMMAND = (
    "nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits",
)  # fmt: skip


def detect_nvidia(probe: Probe) -> Found:
    """Return NVIDIA's GPUs; a driver that does not answer is told."""
    ran = probe.run(*COMMAND)
    if ran is None:
        return Found()
    return Found(parse_nvidia(ran.out)) if ran.is_ok else Found(trouble=ran.trouble)


def parse_nvidia(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of a table with name, total and free memory in MiB."""
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    return tuple(_gpu(row) for row in rows if len(row) == 3)


def _gpu(row: list[str]) -> Gpu:
    name, total, free = (cell.strip() for cell in row)
    # Boards whose GPU uses main memory (Jetson, GB10) answer "[N/A]".
    return Gpu("nvidia", name, _bytes(total), _bytes(free), "cuda", not total.isdigit())


def _bytes(mib: str) -> int | None:
    return int(mib) * 2**20 if mib.isdigit() else None
