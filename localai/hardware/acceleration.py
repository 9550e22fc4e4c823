"""Whether each engine uses the GPUs that are here, and if not, why."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from localai.hardware.engines import Engine
from localai.hardware.gpu import API_NAMES, Api, Gpu

COULD: dict[str, tuple[Api, ...]] = {
    "llama-cpp-python": ("cuda", "rocm", "metal", "vulkan"),
    "torch": ("cuda", "rocm", "metal"),
    "ctranslate2": ("cuda",),
    "onnxruntime": ("cuda",),
}
"""What engines can be built for, the best first."""
_CALLED = {"llama-cpp-python": "llama.cpp"}


@dataclass(frozen=True)
class Idle:
    """A GPU that an engine could use and does not."""

    engine: Engine
    gpu: Gpu
    api: Api
    """How the engine would speak to it best."""
    is_built: bool
    """Whether the engine was built for that, and does not find the GPU."""

    def sentence(self) -> str:
        """Say what is wrong."""
        name = _CALLED.get(self.engine.name, self.engine.name)
        if self.is_built:
            return (
                f"{name} was built for {API_NAMES[self.api]} and does not find the {self.gpu.name}"
            )
        return f"There is the {self.gpu.name}, but {name} was built for {built_for(self.engine)}"


def built_for(engine: Engine) -> str:
    """Return what an engine computes on, in words."""
    return " and ".join(API_NAMES[api] for api in engine.built_for) or "the processor alone"


def idle_gpus(engines: Iterable[Engine], gpus: Collection[Gpu]) -> list[Idle]:
    """Return each engine that works and leaves every GPU idle that it could use."""
    usable = [one for one in engines if one.version is not None and one.trouble is None]
    found = (_idle(engine, gpus) for engine in usable)
    return [one for one in found if one is not None]


def accelerator(engines: Iterable[Engine], gpus: Collection[Gpu]) -> str:
    """Return the section of a backend's requirements that counts here: `cpu`, `cuda12`, …"""
    works = {api for engine in engines for api in engine.works}
    reached = [api for api in ("cuda", "rocm", "vulkan") if api in works]
    here = [api for api in reached if any(api in gpu.apis for gpu in gpus)]
    return {"cuda": "cuda12"}.get(here[0], here[0]) if here else "cpu"


def _idle(engine: Engine, gpus: Collection[Gpu]) -> Idle | None:
    chances = [(api, gpu) for api in COULD.get(engine.name, ()) for gpu in gpus if api in gpu.apis]
    if not chances or any(api in engine.works for api, _ in chances):
        return None
    blind = next((one for one in chances if one[0] in engine.built_for), None)
    api, gpu = blind or chances[0]
    return Idle(engine, gpu, api, blind is not None)
