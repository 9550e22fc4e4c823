"""NVIDIA's GPUs and the slices of them (MIG), as `nvidia-smi` lists them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from localai.hardware.gpu import FoundGpus, Gpu
from localai.hardware.probe import Probe
from localai.hardware.visible import visible

COMMAND = (
    "nvidia-smi", "--query-gpu=uuid,name,memory.total,memory.free", "--format=csv,noheader,nounits",
)  # fmt: skip
LIST = ("nvidia-smi", "-L")
VARIABLE = "CUDA_VISIBLE_DEVICES"
"""Its numbers count here as nvidia-smi does; CUDA itself does so with CUDA_DEVICE_ORDER=PCI_BUS_ID,
and else puts the fastest first, which is the same where all are of one kind."""
_SHARED = frozenset({"[n/a]", "[n a]", "[not supported]"})
"""What boards answer whose GPU uses main memory (Jetson, GB10); other words are faults."""
_CARD = re.compile(r"GPU \d+: .+ \(UUID: (?P<id>[^)]+)\)")
_SLICE = re.compile(
    r"\s+MIG (?P<profile>\S*?(?P<gb>\d+)gb\S*)\s+Device\s+\d+: \(UUID: (?P<id>[^)]+)\)"
)
_OF_GB = 0.95 * 2**30
"""What a slice has of each GB in its name, at least: 4864 MiB of `5gb`, 9728 of `10gb`."""


@dataclass(frozen=True)
class Slice:
    """A part of a GPU that programs see as a GPU of its own."""

    card: str
    """The id of the GPU that it is a part of."""
    uuid: str
    profile: str
    memory_total: int


@dataclass(frozen=True)
class _Row:
    uuid: str
    gpu: Gpu | None
    troubles: tuple[str, ...] = ()


def detect_nvidia(probe: Probe) -> FoundGpus:
    """Return the GPUs that programs here may use; a driver that does not answer is told."""
    ran = probe.run(*COMMAND)
    if ran is None:
        return FoundGpus()
    listed = probe.run(*LIST)
    slices = parse_slices(listed.out if listed is not None else "")
    # Where one card is lost, it still tells of the others.
    found = parse_nvidia(ran.out, slices, probe.variable(VARIABLE), is_whole=ran.is_ok)
    troubles = found.troubles if ran.is_ok else (ran.trouble, *found.troubles)
    return FoundGpus(found.gpus, troubles)


def parse_nvidia(
    text: str,
    slices: tuple[Slice, ...] = (),
    variable: str | None = None,
    *,
    is_whole: bool = True,
) -> FoundGpus:
    """Return the GPUs of a table with id, name, total and free memory in MiB.

    Of a GPU that is cut into slices its slices count, and of these, as for CUDA, the first one
    where `variable` names no other. A line that is no row is a trouble, where the table `is_whole`.
    """
    cut = {one.card for one in slices}
    rows: list[_Row] = []
    odd: list[str] = []
    for cells in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(cells) == 4:
            rows.append(_row([cell.strip() for cell in cells], cut))
        elif cells and is_whole:
            odd.append(f"`nvidia-smi` printed what is no GPU: {', '.join(cells)}")
    chosen = [one for one in slices if variable and one.uuid in variable.split(",")]
    if chosen:
        return FoundGpus(tuple(_of_slice(one, rows) for one in chosen), tuple(odd))
    kept = [rows[place] for place in visible(variable, [row.uuid for row in rows])]
    gpus: list[Gpu] = []
    for row in kept:
        first = next((one for one in slices if one.card == row.uuid), None)
        gpus += [_of_slice(first, rows)] if first else [row.gpu] if row.gpu else []
    return FoundGpus(tuple(gpus), (*odd, *(trouble for row in kept for trouble in row.troubles)))


def parse_slices(text: str) -> tuple[Slice, ...]:
    """Return the slices that `nvidia-smi -L` lists, each below its GPU."""
    card, found = "", []
    for line in text.splitlines():
        if whole := _CARD.match(line):
            card = whole["id"]
        elif part := _SLICE.match(line):
            size = int(int(part["gb"]) * _OF_GB)
            found.append(Slice(card, part["id"], part["profile"], size))
    return tuple(found)


def _row(cells: list[str], cut: set[str]) -> _Row:
    uuid, name, total, free = cells
    shares = total.casefold() in _SHARED
    if not shares and not total.isdecimal():
        # A container that has a slice may not ask for the whole; the slice tells enough.
        trouble = f"`nvidia-smi` says of the memory of {name}: {total}"
        return _Row(uuid, None, () if uuid in cut else (trouble,))
    troubles: tuple[str, ...] = ()
    if not shares and not free.isdecimal():
        troubles = (f"`nvidia-smi` says of the free memory of {name}: {free}",)
    gpu = Gpu("nvidia", name, _bytes(total), _bytes(free), "cuda", shares)
    return _Row(uuid, gpu, troubles)


def _of_slice(one: Slice, rows: list[_Row]) -> Gpu:
    names = (row.gpu.name for row in rows if row.uuid == one.card and row.gpu)
    name = f"{next(names, 'NVIDIA')} MIG {one.profile}"
    return Gpu("nvidia", name, one.memory_total, None, "cuda")


def _bytes(mib: str) -> int | None:
    return int(mib) * 2**20 if mib.isdecimal() else None
