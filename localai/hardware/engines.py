"""The engines that are installed, and what they were built for; none is imported here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
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
QUESTIONS: Mapping[str, str] = {
    "llama-cpp-python": """
import llama_cpp as engine, pathlib
names = sorted(path.name for path in pathlib.Path(engine.__file__).parent.glob("lib/*"))
print(json.dumps({"libraries": names, "finds_gpu": bool(engine.llama_supports_gpu_offload())}))
""",
    "torch": """
import torch as engine
mac = getattr(engine.backends, "mps", None)
built = ["cuda"] * bool(engine.version.cuda) + ["rocm"] * bool(engine.version.hip)
works = built if engine.cuda.is_available() else []
built = built + ["metal"] * bool(mac and mac.is_built())
works = works + ["metal"] * bool(mac and mac.is_available())
print(json.dumps({"built_for": built, "works": works}))
""",
    # It says "was not compiled with" where it is so, and other words where no GPU is found.
    "ctranslate2": """
import ctranslate2 as engine
try:
    built = ["cuda"] * bool(engine.get_supported_compute_types("cuda"))
except Exception as error:
    built = [] if "compiled" in str(error) else ["cuda"]
works = built if engine.get_cuda_device_count() else []
print(json.dumps({"built_for": built, "works": works}))
""",
    "onnxruntime": """
import onnxruntime as engine
names = {"CUDAExecutionProvider": "cuda", "ROCMExecutionProvider": "rocm"}
found = [names[one] for one in engine.get_available_providers() if one in names]
print(json.dumps({"built_for": found, "works": found}))
""",
}
"""Programs that print what an engine was built for, and which of it works on this machine."""
_OTHER_NAMES = {"onnxruntime": ("onnxruntime-gpu",)}
"""What packages are called that bring the same engine, built in another way."""
_QUIET = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


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


def detect_engines(questions: Mapping[str, str] = QUESTIONS) -> tuple[Engine, ...]:
    """Ask each engine its question in a process of its own, all at the same time; takes seconds."""
    with ThreadPoolExecutor(len(questions)) as threads:
        return tuple(threads.map(_detect, questions, questions.values()))


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
    told = _object_of((text.strip().splitlines() or [""])[-1])
    if told is None:
        return Engine(name, version, trouble="it could be imported, and said nothing of itself")
    if "libraries" in told:
        built = apis_of(told["libraries"])
        return Engine(name, version, built, built if told["finds_gpu"] else ())
    built_for, works = (cast(tuple[Api, ...], tuple(told[key])) for key in ("built_for", "works"))
    return Engine(name, version, built_for, works)


def _detect(name: str, question: str) -> Engine:
    names = (name, *_OTHER_NAMES.get(name, ()))
    version = next((found for one in names if (found := installed_version(one))), None)
    if version is None:
        return Engine(name, None)
    try:
        # Engines keep caches, and some an id of the machine: not in the home of who only asks.
        with tempfile.TemporaryDirectory(prefix="localai-") as home:
            done = _ask(question, home)
    except subprocess.TimeoutExpired:
        trouble = f"it could not be imported within {SECONDS:g} seconds"
        return Engine(name, version, trouble=trouble)
    except OSError as error:
        return Engine(name, version, trouble=f"it could not be asked: {error}")
    if done.returncode != 0:
        return Engine(name, version, trouble=_last_line(done))
    return parse_answer(name, version, done.stdout)


def _ask(question: str, home: str) -> subprocess.CompletedProcess[str]:
    places = {"HOME": home, "XDG_CACHE_HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
    return subprocess.run(
        # -P: a file beside us that is called like an engine is not the engine.
        [sys.executable, "-P", "-c", f"import json\n{question}"],
        capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False,
        stdin=subprocess.DEVNULL, env=os.environ | places | _QUIET,
    )  # fmt: skip


def _object_of(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        return f"importing it ended with signal {-done.returncode}"
    return lines[-1] if lines else f"importing it ended with exit code {done.returncode}"
