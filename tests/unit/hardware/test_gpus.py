from __future__ import annotations

import pytest

from localai.hardware.amd import detect_amd
from localai.hardware.gpu import FoundGpus, Gpu
from localai.hardware.machine import detect
from localai.hardware.vulkan import detect_vulkan, parse_vulkan
from tests.unit.hardware.recorded import Recorded, failed, printed

ROCM = """\
WARNING: AMD GPU device(s) is/are in a low-power state. Check power control/runtime_status
{"card0": {"VRAM Total Memory (B)": "17163091968", "VRAM Total Used Memory (B)": "10850304", \
"Card Series": "Radeon RX 6800", "Card Model": "0x73bf", "GFX Version": "gfx1030"}, \
"card1": {"VRAM Total Memory (B)": "536870912", "VRAM Total Used Memory (B)": "2097152", \
"Card series": "Raphael", "Card model": "0x164e"}}
"""
AMD_SMI = """\
[{"gpu": 0, "asic": {"market_name": "AMD Instinct MI300X", "vendor_id": "0x1002"}, \
"vram": {"type": "HBM", "vendor": "HYNIX", "size": {"value": 196592, "unit": "MB"}}}]
"""
VULKAN = """\
==========
VULKANINFO
==========

Vulkan Instance Version: 1.3.239

Devices:
========
GPU0:
\tapiVersion         = 1.3.242
\tvendorID           = 0x1002
\tdeviceID           = 0x73bf
\tdeviceType         = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
\tdeviceName         = AMD Radeon RX 6800 XT (RADV NAVI21)
\tdriverName         = radv
GPU1:
\tapiVersion         = 1.3.242
\tvendorID           = 0x8086
\tdeviceType         = PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU
\tdeviceName         = Intel(R) UHD Graphics 770 (ADL-S GT1)
GPU2:
\tapiVersion         = 1.3.242
\tvendorID           = 0x10005
\tdeviceType         = PHYSICAL_DEVICE_TYPE_CPU
\tdeviceName         = llvmpipe (LLVM 15.0.6, 256 bits)
"""
VRAM_FILE = "/sys/class/drm/card0/device/mem_info_vram_total"
MIB = 2**20


def rocm(text: str) -> FoundGpus:
    return detect_amd(Recorded({"rocm-smi": printed(text)}))


def amd_smi(text: str) -> FoundGpus:
    return detect_amd(Recorded({"amd-smi": printed(text)}))


def test_rocm_counts_no_graphics_of_the_processor() -> None:
    assert rocm(ROCM).gpus == (
        Gpu("amd", "Radeon RX 6800", 17163091968, 17163091968 - 10850304, "rocm"),
    )
    assert rocm("no json") == FoundGpus()


def test_newer_rocm_is_asked_by_amd_smi_in_both_of_its_forms() -> None:
    (gpu,) = amd_smi(AMD_SMI).gpus

    assert (gpu.name, gpu.memory_total) == ("AMD Instinct MI300X", 196592 * MIB)
    assert amd_smi(f'{{"gpu_data": {AMD_SMI}}}').gpus == (gpu,)
    refused = "Permission needed to access [AMD/ATI] device node(s):\n  /dev/kfd: denied\n\n"
    assert amd_smi(refused + AMD_SMI).gpus == (gpu,)


@pytest.mark.parametrize(
    "text",
    [
        "", "nothing", "[", "null", "[]", "{}", "3", '"N/A"', '["N/A"]', '[null, 1, "x", []]',
        '{"gpu_data": "N/A"}', '{"gpu_data": ["N/A"]}', '{"gpu_data": {"gpu": 0}}',
        '[{"gpu": 0}]', '[{"asic": "N/A", "vram": {"size": "N/A"}}]',
        '[{"asic": null, "vram": null}]',
        '[{"vram": {"size": {"value": "N/A", "unit": "MB"}}}]',
        '[{"vram": {"size": {"value": null, "unit": "MB"}}}]',
        '[{"vram": {"size": {"value": [1], "unit": "MB"}}}]',
        '[{"vram": {"size": {"value": true, "unit": "MB"}}}]',
        '[{"vram": {"size": {"value": NaN, "unit": "MB"}}}]',
        '[{"vram": {"size": {"value": 1e400, "unit": "MB"}}}]',
        '[{"vram": {"size": {"value": -5, "unit": "MB"}}}]',
        '[{"vram": {"size": {"value": 4096, "unit": "N/A"}}}]',
        '[{"vram": {"size": {"value": 4096, "unit": ["MB"]}}}]',
        '{"card0": "N/A"}', '{"card0": null}', '{"card0": ["x"]}', '{"card0": {}}',
        '{"card0": {"VRAM Total Memory (B)": null}}',
        '{"card0": {"VRAM Total Memory (B)": "N/A"}}',
        '{"card0": {"VRAM Total Memory (B)": "\u00b2"}}',
        '{"system": {"Driver version": "6.0"}}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_whatever_amds_tools_print_is_a_gpu_or_none(text: str) -> None:
    assert rocm(text) == FoundGpus()
    assert amd_smi(text) == FoundGpus()
    assert detect(Recorded({"rocm-smi": printed(text), "amd-smi": printed(text)})).gpus == ()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('"N/A"', "AMD GPU"), ("null", "AMD GPU"), ('""', "AMD GPU"), ("7", "AMD GPU"),
        ('"MI"', "MI"),
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_amd_gpu(name: str, shown: str) -> None:
    size = '"vram": {"size": {"value": "8192", "unit": "MB"}}'
    (gpu,) = amd_smi(f'[{{"asic": {{"market_name": {name}}}, {size}}}]').gpus
    (same,) = rocm(
        f'{{"card0": {{"Card Series": {name}, "VRAM Total Memory (B)": "8589934592"}}}}'
    ).gpus

    assert (gpu.name, gpu.memory_total) == (shown, 8192 * MIB)
    assert (same.name, same.memory_total) == (shown, 8192 * MIB)


TWO_CARDS = """\
{"card0": {"Unique ID": "0x1111222233334444", "VRAM Total Memory (B)": "17179869184", \
"Card Series": "first"}, \
"card1": {"Unique ID": "0x5555666677778888", "VRAM Total Memory (B)": "17179869184", \
"Card Series": "second"}}
"""


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({}, ["first", "second"]),
        ({"HIP_VISIBLE_DEVICES": "1"}, ["second"]),
        ({"HIP_VISIBLE_DEVICES": "1,0"}, ["second", "first"]),
        ({"HIP_VISIBLE_DEVICES": ""}, []),
        ({"HIP_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "0"}, ["first"]),
        ({"CUDA_VISIBLE_DEVICES": "0", "HIP_VISIBLE_DEVICES": "1"}, ["second"]),
        ({"ROCR_VISIBLE_DEVICES": "1"}, ["second"]),
        ({"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "0"}, ["second"]),
        ({"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "1"}, []),
        ({"ROCR_VISIBLE_DEVICES": "GPU-5555666677778888"}, ["second"]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-9999666677778888"}, []),
    ],
)
def test_gpus_that_are_hidden_from_rocm_do_not_count(
    variables: dict[str, str], names: list[str]
) -> None:
    probe = Recorded({"rocm-smi": printed(TWO_CARDS)}, variables=variables)

    assert [gpu.name for gpu in detect_amd(probe).gpus] == names


def test_ids_that_the_tool_does_not_tell_hide_nothing() -> None:
    text = '{"card0": {"VRAM Total Memory (B)": "17179869184", "Card Series": "only"}}'
    variables = {"ROCR_VISIBLE_DEVICES": "GPU-5555666677778888"}
    probe = Recorded({"rocm-smi": printed(text)}, variables=variables)

    assert [gpu.name for gpu in detect_amd(probe).gpus] == ["only"]


def test_a_tool_that_cannot_be_understood_is_a_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(text: str) -> None:
        raise TypeError("what is this")

    monkeypatch.setattr("localai.hardware.vulkan.parse_vulkan", fail)
    machine = detect(Recorded({"vulkaninfo": printed("?"), "rocm-smi": printed(ROCM)}))

    assert [gpu.name for gpu in machine.gpus] == ["Radeon RX 6800"]
    assert machine.troubles == (
        "what `vulkaninfo` tells cannot be understood: TypeError: what is this",
    )


def test_vulkan_counts_no_imitation() -> None:
    assert [(gpu.vendor, gpu.shares_memory) for gpu in parse_vulkan(VULKAN)] == [
        ("amd", False), ("intel", True),
    ]  # fmt: skip


def test_vulkans_amd_has_the_memory_that_its_driver_tells() -> None:
    probe = Recorded({"vulkaninfo": printed(VULKAN)}, {VRAM_FILE: "17163091968\n"})

    assert [gpu.memory_total for gpu in detect_vulkan(probe).gpus] == [17163091968, None]


def test_a_gpu_that_two_sources_know_is_there_once() -> None:
    machine = detect(Recorded({"rocm-smi": printed(ROCM), "vulkaninfo": printed(VULKAN)}))

    assert [(gpu.vendor, gpu.apis) for gpu in machine.gpus] == [
        ("amd", ("rocm", "vulkan")), ("intel", ("vulkan",)),
    ]  # fmt: skip


def test_a_mac_shares_its_memory() -> None:
    probe = Recorded(
        {"sysctl -n hw.memsize": printed(str(24 * 2**30)), "vm_stat": printed("")},
        about=("Darwin", "arm64"),
    )

    (gpu,) = detect(probe).gpus
    assert (gpu.api, gpu.memory_total, gpu.shares_memory) == ("metal", 16 * 2**30, True)


def test_troubles_of_all_sources_are_kept() -> None:
    machine = detect(Recorded({"nvidia-smi": failed("no driver"), "rocm-smi": failed("no kfd")}))

    assert machine.gpus == ()
    assert machine.troubles == ("no driver", "no kfd")
