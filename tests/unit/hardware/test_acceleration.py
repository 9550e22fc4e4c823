from __future__ import annotations

import pytest

from localai.hardware.acceleration import accelerator, idle_gpus
from localai.hardware.engines import Engine
from localai.hardware.gpu import Api, Gpu

RTX = Gpu("nvidia", "RTX 4090", 24 * 2**30, None, "cuda", other_apis=("vulkan",))
RADEON = Gpu("amd", "RX 7900", 24 * 2**30, None, "rocm", other_apis=("vulkan",))
INTEL = Gpu("intel", "UHD 770", None, None, "vulkan", shares_memory=True)
MAC = Gpu("apple", "M2", 2**34, None, "metal", shares_memory=True)


def engine(name: str, *built: Api, works: tuple[Api, ...] | None = None) -> Engine:
    return Engine(name, "1.0", built, built if works is None else works)


@pytest.mark.parametrize(
    ("one", "gpu", "sentence"),
    [
        (engine("llama-cpp-python"), RTX,
         "There is the RTX 4090, but llama.cpp was built for the processor alone"),
        (engine("torch"), RTX,
         "There is the RTX 4090, but torch was built for the processor alone"),
        (engine("ctranslate2"), RTX,
         "There is the RTX 4090, but ctranslate2 was built for the processor alone"),
        (engine("onnxruntime"), RTX,
         "There is the RTX 4090, but onnxruntime was built for the processor alone"),
        (engine("torch", "cuda", works=()), RTX,
         "torch was built for CUDA and does not find the RTX 4090"),
        (engine("llama-cpp-python", "cuda", works=()), RTX,
         "llama.cpp was built for CUDA and does not find the RTX 4090"),
        (engine("llama-cpp-python", "cuda"), RADEON,
         "There is the RX 7900, but llama.cpp was built for CUDA"),
        (engine("torch", "rocm", works=()), RADEON,
         "torch was built for ROCm and does not find the RX 7900"),
        (engine("llama-cpp-python"), INTEL,
         "There is the UHD 770, but llama.cpp was built for the processor alone"),
        (engine("torch", "cuda", works=()), MAC, "There is the M2, but torch was built for CUDA"),
        (engine("llama-cpp-python", "vulkan", works=()), RTX,
         "llama.cpp was built for Vulkan and does not find the RTX 4090"),
    ],
)  # fmt: skip
def test_a_gpu_that_an_engine_leaves_idle_is_told(one: Engine, gpu: Gpu, sentence: str) -> None:
    (idle,) = idle_gpus([one], [gpu])

    assert idle.sentence() == sentence


@pytest.mark.parametrize(
    ("one", "gpus"),
    [
        (engine("llama-cpp-python", "vulkan"), [RTX]),  # slower than CUDA, and not idle
        (engine("llama-cpp-python", "vulkan"), [RADEON, INTEL]),
        (engine("llama-cpp-python", "cuda"), [INTEL, RTX]),
        (engine("torch", "cuda"), [RTX]),
        (engine("torch"), [INTEL]),
        (engine("ctranslate2"), [RADEON]),
        (engine("onnxruntime"), [MAC]),
        (engine("piper-tts"), [RTX]),
        (engine("torch"), []),
        (Engine("torch", None), [RTX]),
        (Engine("torch", "1.0", trouble="it crashed"), [RTX]),
    ],
)
def test_an_engine_that_uses_a_gpu_or_never_could_is_well(one: Engine, gpus: list[Gpu]) -> None:
    assert idle_gpus([one], gpus) == []


@pytest.mark.parametrize(
    ("engines", "gpus", "section"),
    [
        ([], [RTX], "cpu"),
        ([engine("torch", "cuda")], [RTX], "cuda12"),
        ([engine("torch", "cuda", works=())], [RTX], "cpu"),
        ([engine("torch", "cuda")], [], "cpu"),
        ([engine("torch", "rocm")], [RADEON], "rocm"),
        ([engine("llama-cpp-python", "vulkan")], [INTEL], "vulkan"),
        ([engine("llama-cpp-python", "vulkan"), engine("ctranslate2", "cuda")], [RTX], "cuda12"),
        ([engine("torch", "metal")], [MAC], "cpu"),
    ],
)
def test_the_section_of_requirements_follows_what_works(
    engines: list[Engine], gpus: list[Gpu], section: str
) -> None:
    assert accelerator(engines, gpus) == section
