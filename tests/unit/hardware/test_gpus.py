from __future__ import annotations

from localai.hardware.amd import detect_amd, parse_amd_smi, parse_rocm_smi
from localai.hardware.gpu import Found, Gpu
from localai.hardware.machine import detect
from localai.hardware.nvidia import detect_nvidia, parse_nvidia
from localai.hardware.vulkan import detect_vulkan, parse_vulkan
from tests.unit.hardware.recorded import Recorded, failed, printed

NVIDIA = "NVIDIA GeForce RTX 4090, 24564, 23898\nNVIDIA RTX A2000, 6138, 5900\n"
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


def test_nvidia_lists_name_and_memory() -> None:
    first, second = parse_nvidia(NVIDIA)

    assert first == Gpu("nvidia", "NVIDIA GeForce RTX 4090", 24564 * MIB, 23898 * MIB, "cuda")
    assert second.memory_total == 6138 * MIB


def test_nvidia_with_one_memory_for_both_tells_no_size() -> None:
    assert parse_nvidia("NVIDIA GB10, [N/A], [N/A]\n") == (
        Gpu("nvidia", "NVIDIA GB10", None, None, "cuda", shares_memory=True),
    )


def test_a_driver_that_does_not_answer_is_told() -> None:
    trouble = "`nvidia-smi` ended with exit code 9: NVIDIA-SMI has failed"

    assert detect_nvidia(Recorded({"nvidia-smi": failed(trouble)})) == Found(trouble=trouble)
    assert detect_nvidia(Recorded()) == Found()


def test_rocm_counts_no_graphics_of_the_processor() -> None:
    assert parse_rocm_smi(ROCM) == (
        Gpu("amd", "Radeon RX 6800", 17163091968, 17163091968 - 10850304, "rocm"),
    )
    assert parse_rocm_smi("no json") == ()


def test_newer_rocm_is_asked_by_amd_smi_in_both_of_its_forms() -> None:
    (gpu,) = parse_amd_smi(AMD_SMI)

    assert (gpu.name, gpu.memory_total) == ("AMD Instinct MI300X", 196592 * MIB)
    assert parse_amd_smi(f'{{"gpu_data": {AMD_SMI}}}') == (gpu,)
    assert detect_amd(Recorded({"amd-smi": printed(AMD_SMI)})).gpus == (gpu,)
    assert detect_amd(Recorded({"amd-smi": printed("nothing")})) == Found()
    refused = "Permission needed to access [AMD/ATI] device node(s):\n  /dev/kfd: denied\n\n"
    silent = '[{"gpu": 0, "asic": "N/A", "vram": {"size": "N/A"}}]'
    assert parse_amd_smi(refused + AMD_SMI) == (gpu,)
    assert parse_amd_smi(silent) == ()


def test_vulkan_counts_no_imitation() -> None:
    assert [(gpu.vendor, gpu.shares_memory) for gpu in parse_vulkan(VULKAN)] == [
        ("amd", False), ("intel", True),
    ]  # fmt: skip


def test_vulkans_amd_has_the_memory_that_its_driver_tells() -> None:
    probe = Recorded({"vulkaninfo": printed(VULKAN)}, {VRAM_FILE: "17163091968\n"})

    assert [gpu.memory_total for gpu in detect_vulkan(probe).gpus] == [17163091968, None]


def test_a_gpu_that_two_sources_know_is_there_once() -> None:
    machine = detect(Recorded({"rocm-smi": printed(ROCM), "vulkaninfo": printed(VULKAN)}))

    assert [(gpu.vendor, gpu.api) for gpu in machine.gpus] == [("amd", "rocm"), ("intel", "vulkan")]


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
