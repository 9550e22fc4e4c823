from __future__ import annotations

import pytest

from localai.hardware.cpu import Cpu
from localai.hardware.gpu import Gpu
from localai.hardware.machine import Machine
from localai.hardware.memory import Memory
from localai.hardware.profiles import choose_profile

MIB = 2**20


def machine(*gpus: Gpu, memory: int = 32 * 2**30) -> Machine:
    return Machine(Cpu("x", 8, ()), Memory(memory, memory), gpus)


def nvidia(mib: int | None, name: str = "RTX") -> Gpu:
    size = None if mib is None else mib * MIB
    return Gpu("nvidia", name, size, size, "cuda", shares_memory=mib is None)


@pytest.mark.parametrize(
    ("mib", "profile"),
    [
        (6144, "cpu"), (7979, "gpu-8g"), (8188, "gpu-8g"), (16376, "gpu-8g"),
        (23028, "gpu-24g"), (24564, "gpu-24g"), (143771, "gpu-24g"),
    ],
)  # fmt: skip
def test_cards_are_taken_for_what_they_are_sold_as(mib: int, profile: str) -> None:
    assert choose_profile(machine(nvidia(mib))).profile == profile


def test_the_reason_names_the_gpu_and_its_size() -> None:
    assert choose_profile(machine(nvidia(24564, "RTX 4090"))).reason == "the RTX 4090 has 25.8 GB"
    small = choose_profile(machine(nvidia(4096, "GTX 1650")))
    assert small.reason == "the GTX 1650 has 4.3 GB, and gpu-8g needs 8.1 GB"
    assert choose_profile(machine()).reason == "no GPU was found"


def test_the_largest_gpu_counts_alone() -> None:
    two = choose_profile(machine(nvidia(12288), nvidia(12288)))
    mixed = choose_profile(machine(nvidia(4096), nvidia(24564)))

    assert (two.profile, mixed.profile) == ("gpu-8g", "gpu-24g")


def test_a_gpu_that_the_engine_cannot_use_is_not_chosen() -> None:
    amd = Gpu("amd", "RX 7900", 24 * 2**30, None, "rocm")

    for built_for, has in (([], "the processor alone"), (["cuda"], "CUDA")):
        choice = choose_profile(machine(amd), built_for)  # type: ignore[arg-type]
        assert choice.profile == "cpu"
        assert choice.reason == (
            f"there is the RX 7900, but llama.cpp was built here for {has}, not ROCm"
        )
    assert choose_profile(machine(amd), ["rocm"]).profile == "gpu-24g"


def test_a_gpu_is_taken_the_way_that_the_engine_was_built() -> None:
    both = Gpu("nvidia", "RTX", 24 * 2**30, None, "cuda", other_apis=("vulkan",))

    choice = choose_profile(machine(both), ["vulkan"])
    assert choice.profile == "cpu"
    assert choice.reason == (
        "llama.cpp reaches the RTX through Vulkan, which speeds up chat but no pictures"
    )
    assert choose_profile(machine(both), ["cuda"]).profile == "gpu-24g"
    assert choose_profile(machine(both)).profile == "gpu-24g"


def test_the_reason_tells_of_what_could_not_be_asked() -> None:
    here = Machine(Cpu("x", 8, ()), Memory(2**35, 2**35), (), troubles=("`nvidia-smi` hangs",))

    assert choose_profile(here).reason == (
        "no GPU was found, and not all of the machine is known: `nvidia-smi` hangs"
    )


def test_one_memory_for_both_counts_by_half() -> None:
    assert choose_profile(machine(nvidia(None), memory=64 * 2**30)).profile == "gpu-24g"
    assert choose_profile(machine(nvidia(None), memory=8 * 2**30)).profile == "cpu"


def test_graphics_of_a_processor_and_unknown_sizes_stay_with_the_processor() -> None:
    intel = Gpu("intel", "UHD 770", None, None, "vulkan", shares_memory=True)

    choice = choose_profile(machine(intel))
    assert choice.profile == "cpu"
    assert "Vulkan, which speeds up chat but no pictures" in choice.reason
    assert choose_profile(machine(intel, nvidia(8188))).profile == "gpu-8g"
    unknown = Gpu("amd", "MI", None, None, "rocm")
    assert choose_profile(machine(unknown)).reason == ("it is not known how much memory the MI has")
