"""The engines that are installed, and what they were built for; none is imported here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from localai.hardware.gpu import Api

SECONDS = 60.0
"""How long an engine may take to be imported by a process of its own."""
_LIBRARIES: dict[str, Api] = {
    "ggml-cuda": "cuda", "ggml-hip": "rocm", "ggml-vulkan": "vulkan", "ggml-metal": "metal",
}  # fmt: skip
_QUESTIONS = {
    # Each prints what the engine was built for, and which of it works on this machine.
    "llama-cpp-python": """
import llama_cpp as engine, pathlib
names = sorted(path.name for path in pathlib.Path(engine.__file__).parent.glob("lib/*"))
print(json.dumps({"libraries": names if engine.llama_supports_gpu_offload() else []}))
""",
    "torch": """
import torch as engine
mac = getattr(engine.backends, "mps", None)
built = ["cuda"] * bool(engine.version.cuda) + ["rocm"] * bool(engine.version.hip)
built += ["metal"] * bool(mac and mac.is_built())
works = [one for one in built if engine.cuda.is_available() or one == "metal"]
print(json.dumps({"built_for": built, "works": works}))
""",
    "ctranslate2": """
import ctranslate2 as engine
found = ["cuda"] * bool(engine.get_cuda_device_count())
print(json.dumps({"built_for": found, "works": found}))
""",
    "onnxruntime": """
import onnxruntime as engine
names = {"CUDAExecutionProvider": "cuda", "ROCMExecutionProvider": "rocm"}
found = [names[one] for one in engine.get_available_providers() if one in names]
print(json.dumps({"built_for": found, "works": found}))
""",
}


@dataclass(frozen=True)
class Engine:
    """An engine that computes by itself, by the name it is installed under."""

    name: str
    version: str | None
    """None where it is not installed."""
    built_for: tuple[Api, ...] = ()
    """The GPUs it can compute on, beside the processor."""
    works: tuple[Api, ...] = ()
    """Those of them that it finds here."""
    trouble: str | None = None
    """Why it cannot be used, None where it can."""


def installed_version(distribution: str) -> str | None:
    """Return the version of an installed package, None where it is not there."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def detect_engines() -> tuple[Engine, ...]:
    """Ask each engine in a process of its own, all at the same time; takes some seconds."""
    with ThreadPoolExecutor(len(_QUESTIONS)) as threads:
        return tuple(threads.map(_detect, _QUESTIONS))


def llama_built_for() -> tuple[Api, ...]:
    """Return what llama.cpp was built for by the names of its libraries, which takes no time."""
    spec = importlib.util.find_spec("llama_cpp")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return apis_of(path.name for folder in folders for path in Path(folder).glob("lib/*"))


def apis_of(libraries: Iterable[str]) -> tuple[Api, ...]:
    """Return the GPUs that llama.cpp libraries with these file names are for."""
    names = [re.sub(r"^lib", "", name) for name in libraries]
    return tuple(
        dict.fromkeys(
            api for stem, api in _LIBRARIES.items() if any(name.startswith(stem) for name in names)
        )
    )


def parse_answer(name: str, version: str, text: str) -> Engine:
    """Return the engine that the last line of its process describes."""
    told: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    if "libraries" in told:
        built = apis_of(told["libraries"])
        return Engine(name, version, built, built)
    built_for, works = (cast(tuple[Api, ...], tuple(told[key])) for key in ("built_for", "works"))
    return Engine(name, version, built_for, works)


def _detect(name: str) -> Engine:
    version = installed_version(name)
    if version is None:
        return Engine(name, None)
    # -P: a file beside us that is called like an engine is not the engine.
    command = [sys.executable, "-P", "-c", f"import json\n{_QUESTIONS[name]}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        trouble = f"it could not be imported within {SECONDS:g} seconds"
        return Engine(name, version, trouble=trouble)
    if done.returncode != 0:
        return Engine(name, version, trouble=_last_line(done))
    return parse_answer(name, version, done.stdout)


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        return f"importing it ended with signal {-done.returncode}"
    return lines[-1] if lines else f"importing it ended with exit code {done.returncode}"
