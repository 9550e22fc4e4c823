"""What a profile needs of disk and memory, beside what its GPU must have."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from localai.hardware.profiles import Profile

GB = 10**9
GIB = 2**30
DOWNLOADS: Mapping[Profile, Mapping[str, float]] = {
    "cpu": {
        "gpt-4": 2.1, "gpt-4o": 2.0, "text-embedding-ada-002": 0.4, "whisper-1": 0.5,
        "tts-1": 0.1, "stablediffusion": 5.2,
    },
    "gpu-8g": {
        "gpt-4": 3.4, "text-embedding-ada-002": 0.4, "whisper-1": 3.1, "tts-1": 0.1,
        "stablediffusion": 5.5,
    },
    "gpu-24g": {
        "gpt-4": 6.2, "text-embedding-ada-002": 0.4, "whisper-1": 3.1, "tts-1": 0.1,
        "stablediffusion": 14.2,
    },
}  # fmt: skip
"""GB that each model of a profile has, at most."""
MEMORY: Mapping[Profile, float] = {"cpu": 8, "gpu-8g": 6, "gpu-24g": 8}
"""GiB of main memory for the largest model of a profile alone, estimated: on the processor it is
the one that draws (5 in 32 bits, and torch), beside a GPU what is read there on its way to it."""


def shortages(
    profile: Profile, missing: Collection[str], memory_total: int, disk_free: int | None
) -> list[str]:
    """Return what the machine is too small for, as sentences; `missing` are the models to fetch."""
    return [
        *_memory(profile, memory_total),
        *(() if disk_free is None else _disk(profile, missing, disk_free)),
    ]


def download_bytes(profile: Profile, missing: Collection[str]) -> int:
    """Return how much is fetched at most for the models that are `missing`."""
    return round(sum(DOWNLOADS[profile].get(name, 0.0) for name in missing) * GB)


def _memory(profile: Profile, total: int) -> list[str]:
    # What is sold as 8 GB tells somewhat less, and no total was ever told as 0.
    if total == 0 or total >= MEMORY[profile] * GIB * 0.9:
        return []
    return [
        f"The largest model of the profile {profile} needs about {MEMORY[profile]:g} GiB of "
        f"memory, and there are {total / GIB:.1f} here"
    ]


def _disk(profile: Profile, missing: Collection[str], free: int) -> list[str]:
    size = download_bytes(profile, missing)
    if size <= free:
        return []
    return [
        f"The models of the profile {profile} that are not here yet have about {size / GB:.1f} GB, "
        f"and {free / GB:.1f} GB are free for them"
    ]
