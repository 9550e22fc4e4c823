"""What a container, or a service's group, leaves of memory and of the processor."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from localai.hardware.cpu import detect_cpu
from localai.hardware.memory import Memory, detect_memory
from tests.unit.hardware.recorded import Recorded

GIB = 2**30
MEMINFO = f"MemTotal: {32 * GIB // 1024} kB\nMemAvailable: {20 * GIB // 1024} kB\n"
CPUINFO = "".join(f"processor\t: {number}\nmodel name\t: X\n\n" for number in range(8))
HUGE = "9223372036854771712\n"


def memory(files: Mapping[str, object], cgroup: str = "0::/\n") -> Memory:
    own = {f"/sys/fs/cgroup/{name}": str(text) for name, text in files.items()}
    return detect_memory(
        Recorded(files=own | {"/proc/meminfo": MEMINFO, "/proc/self/cgroup": cgroup})
    )


def cores(files: dict[str, str], cgroup: str = "0::/\n") -> float | None:
    own = {f"/sys/fs/cgroup/{name}": text for name, text in files.items()}
    return detect_cpu(
        Recorded(files=own | {"/proc/cpuinfo": CPUINFO, "/proc/self/cgroup": cgroup})
    ).quota


def test_the_page_cache_is_not_taken() -> None:
    used = {"memory.max": 8 * GIB, "memory.current": 7 * GIB}

    assert memory(used).free == 1 * GIB
    assert memory(used | {"memory.stat": f"anon 1\ninactive_file {5 * GIB}\n"}).free == 6 * GIB


def test_the_page_cache_of_version_1_is_that_of_the_whole_tree() -> None:
    used = {
        "memory/memory.limit_in_bytes": 8 * GIB, "memory/memory.usage_in_bytes": 7 * GIB,
        "memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {4 * GIB}\n",
    }  # fmt: skip

    assert memory(used) == Memory(8 * GIB, 5 * GIB)


def test_the_limits_of_the_own_group_and_of_all_around_it_hold() -> None:
    around = {
        "system.slice/memory.max": 16 * GIB, "system.slice/memory.current": 14 * GIB,
        "system.slice/localai.service/memory.max": 8 * GIB,
        "system.slice/localai.service/memory.current": 1 * GIB,
    }  # fmt: skip

    assert memory(around, "0::/system.slice/localai.service\n") == Memory(8 * GIB, 2 * GIB)
    assert memory(around, "0::/user.slice\n") == Memory(32 * GIB, 20 * GIB)


def test_version_1_has_a_group_for_each_controller() -> None:
    cgroup = "9:cpu,cpuacct:/other\n4:memory:/docker/abc\n0::/\n"
    files = {
        "memory/docker/abc/memory.limit_in_bytes": 4 * GIB,
        "memory/docker/abc/memory.usage_in_bytes": GIB,
        "memory/other/memory.limit_in_bytes": GIB,
    }

    assert memory(files, cgroup) == Memory(4 * GIB, 3 * GIB)


def test_a_group_that_only_the_host_can_see_is_the_root_here() -> None:
    files = {"memory.max": 4 * GIB, "memory.current": GIB}

    for path in ("/kubepods/pod1/abc", "/../../abc", "/"):
        assert memory(files, f"0::{path}\n") == Memory(4 * GIB, 3 * GIB)


@pytest.mark.parametrize(
    "files",
    [
        {}, {"memory.max": "max\n"}, {"memory/memory.limit_in_bytes": HUGE}, {"memory.max": ""},
        {"memory.max": "-1"}, {"memory.max": "many"}, {"memory.max": 64 * GIB},
    ],
)  # fmt: skip
def test_no_limit_is_no_limit(files: Mapping[str, object]) -> None:
    assert memory(files) == Memory(32 * GIB, 20 * GIB)
    assert memory(files, "") == Memory(32 * GIB, 20 * GIB)
    assert memory(files, "what is this\n::\n") == Memory(32 * GIB, 20 * GIB)


def test_more_taken_than_allowed_is_nothing_free() -> None:
    assert memory({"memory.max": 2 * GIB, "memory.current": 3 * GIB}) == Memory(2 * GIB, 0)


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None), ({"cpu.max": "max 100000\n"}, None), ({"cpu.max": "200000 100000\n"}, 2.0),
        ({"cpu.max": "50000 100000\n"}, 0.5), ({"cpu.max": "1600000 100000\n"}, None),
        ({"cpu.max": "x y z"}, None), ({"cpu.max": "100000 0"}, None), ({"cpu.max": ""}, None),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    ],
)  # fmt: skip
def test_the_processors_time_can_be_limited(files: dict[str, str], quota: float | None) -> None:
    assert cores(files) == quota


def test_the_smallest_quota_holds() -> None:
    files = {"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000", "cpu.max": "max 100000"}

    assert cores(files, "0::/a/b\n") == 4.0
