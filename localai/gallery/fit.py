"""Whether a model fits into the memory of a machine: an estimate, and pure."""

from __future__ import annotations

from dataclasses import dataclass

from localai.amounts import shown_bytes
from localai.gallery.entry import Entry
from localai.protocol.capabilities import Capability

_MIB = 1 << 20
_USUAL_CONTEXT = 4096
"""What llama_cpp gives a conversation where the card says nothing."""
_KV_BYTES = {
    "f32": 2.0, "f16": 1.0, "bf16": 1.0, "q8_0": 0.53, "q5_1": 0.38, "q5_0": 0.34, "q4_1": 0.31,
    "q4_0": 0.28, "iq4_nl": 0.28,
}  # fmt: skip
"""Size of a cache of each type, against 16 bits."""


@dataclass(frozen=True)
class FreeMemory:
    """Bytes that are free: main memory, and that of the GPU that has most, 0 for none."""

    host: int
    device: int = 0


@dataclass(frozen=True)
class Need:
    """Bytes that a model needs: all of it on the CPU, or on a GPU and beside it."""

    on_cpu: int
    device: int
    host: int
    cache: int = 0
    """What of it is context."""


@dataclass(frozen=True)
class Fit:
    """Whether a model fits, None where nobody can tell, and why, as a sentence."""

    fits: bool | None
    reason: str
    need: Need | None = None
    on_gpu: bool = False


@dataclass(frozen=True)
class _Engine:
    """What an engine itself needs beside the weights, and in which type it holds them."""

    on_cpu: int
    device: int
    host: int
    bytes_on_cpu: int | None = None
    """Bytes of one weight; None = as in the file."""
    bytes_on_device: int | None = None
    uses_gpu: bool = True


_ENGINES = {
    # Compute buffers for batches of 512 tokens, and Python.
    "llama_cpp": _Engine(400 * _MIB, 600 * _MIB, 300 * _MIB),
    "faster_whisper": _Engine(500 * _MIB, 700 * _MIB, 500 * _MIB),
    "piper": _Engine(200 * _MIB, 0, 0, uses_gpu=False),
    # torch, its kernels, and what one picture of the usual size takes while it is drawn.
    "diffusers": _Engine(2500 * _MIB, 2500 * _MIB, 2000 * _MIB, 4, 2),
    "sentence_transformers": _Engine(800 * _MIB, 1000 * _MIB, 800 * _MIB, 4, 4),
}
_UNKNOWN_ENGINE = _Engine(500 * _MIB, 500 * _MIB, 500 * _MIB)


def estimate(entry: Entry, context: int | None = None) -> Need | None:
    """Return what `entry` needs with `context` tokens a conversation, None where that is unknown.

    The weights come from the sizes of the files, or else from their number; the context from what
    one token takes, times the conversations that the card allows at once.
    """
    engine = _ENGINES.get(entry.backend, _UNKNOWN_ENGINE)
    on_cpu = _weights(entry, engine.bytes_on_cpu)
    on_device = _weights(entry, engine.bytes_on_device)
    if on_cpu is None or on_device is None:
        return None
    cache = _cache(entry, context)
    waiting = _waiting(entry, on_device)
    return Need(
        on_cpu=on_cpu + engine.on_cpu + cache,
        device=on_device - waiting + engine.device + cache if engine.uses_gpu else 0,
        host=engine.host + waiting if engine.uses_gpu else on_cpu + engine.on_cpu,
        cache=cache,
    )


def fit(entry: Entry, free: FreeMemory, context: int | None = None) -> Fit:
    """Return whether `entry` fits into `free`, on the GPU first, else on the CPU."""
    need = estimate(entry, context)
    if need is None:
        return Fit(None, "nobody knows how large it is before it is downloaded")
    if free.device and need.device and need.device <= free.device and need.host <= free.host:
        text = f"needs about {shown_bytes(need.device)} of the GPU's memory"
        return Fit(True, text, need, on_gpu=True)
    if need.on_cpu <= free.host:
        beside = ", too much for the GPU: it runs on the CPU" if free.device and need.device else ""
        return Fit(True, f"needs about {shown_bytes(need.on_cpu)} of memory{beside}", need)
    return Fit(False, _why_not(need, free), need)


def _weights(entry: Entry, bytes_each: int | None) -> int | None:
    if bytes_each is not None and entry.footprint is not None:
        return entry.footprint.parameters * bytes_each
    if entry.download_size is not None:
        return entry.download_size
    return None if entry.footprint is None else entry.footprint.weight_bytes


def _waiting(entry: Entry, weights: int) -> int:
    """Return how much of the weights waits in main memory while other parts are on the GPU."""
    if entry.footprint is None or entry.card.options.get("offload", "none") == "none":
        return 0
    largest = max(part.parameters for part in entry.footprint.weights)
    return weights - weights * largest // entry.footprint.parameters


def _cache(entry: Entry, context: int | None) -> int:
    footprint = entry.footprint
    if footprint is None or footprint.kv_per_token is None or not _writes(entry):
        return 0
    options, limits = entry.card.options, entry.card.limits
    tokens = context or limits.context or options.get("n_ctx") or _USUAL_CONTEXT
    halves = [_KV_BYTES.get(options.get(f"cache_type_{one}", "f16"), 1.0) / 2 for one in "kv"]
    return round(footprint.kv_per_token * sum(halves) * tokens * limits.max_concurrent)


def _writes(entry: Entry) -> bool:
    return entry.backend == "llama_cpp" and Capability.EMBEDDING not in entry.capabilities


def _why_not(need: Need, free: FreeMemory) -> str:
    gpu = f" or {shown_bytes(need.device)} on a GPU" if free.device and need.device else ""
    has = shown_bytes(free.host)
    has += f" and {shown_bytes(free.device)} on the GPU" if free.device else ""
    text = f"needs about {shown_bytes(need.on_cpu)} of memory{gpu}, but {has} are free"
    if need.cache > need.on_cpu // 3:
        text += (
            f"; {shown_bytes(need.cache)} of it is context: lower limits.context or "
            "limits.max_concurrent"
        )
    return text
