"""What the doctor says is wrong, and the commands that mend it."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localai.hardware.acceleration import Idle
from localai.hardware.engines import Engine
from localai.hardware.gpu import Api

_LLAMA_FLAGS: dict[Api, str] = {"cuda": "CUDA", "rocm": "HIP", "vulkan": "VULKAN", "metal": "METAL"}
"""llama.cpp's own names, as in `-DGGML_CUDA=on`."""
TORCH_BUILDS: dict[Api, str] = {"cuda": "cu126", "rocm": "rocm7.2"}
"""PyTorch's names for its builds, as in the all-in-one image; the one for Macs has no name."""
_IMAGES: dict[Api, str] = {"cuda": "cuda12", "rocm": "rocm", "vulkan": "vulkan"}
_TORCH_INDEX = "https://download.pytorch.org/whl"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, and the command or step that mends it."""

    level: Literal["error", "warning"]
    """An error keeps something that was asked for from running."""
    what: str
    mend: str = ""


def quoted(path: Path) -> str:
    """Return a path as a shell takes it."""
    return shlex.quote(str(path))


def install(requirements: Sequence[str], *flags: str, before: str = "", image: str = "cpu") -> str:
    """Return what installs packages where LocalAI itself is installed.

    An image has no pip: there it is another image that has them.
    """
    if not _has_pip():
        return f"there is no pip here: build an image that has it with `make image ACCEL={image}`"
    words = ["install", *flags, *requirements]
    return f"{before}{_pip()} {shlex.join(words)}"


def accelerated(idle: Idle) -> str:
    """Return what makes an engine use a GPU."""
    if idle.is_built:
        return "install or restart the GPU's driver, and let this user (or container) see the GPU"
    name, version, api = idle.engine.name, idle.engine.version, idle.api
    image = _IMAGES.get(api, "cpu")
    plain = f"{name}=={(version or '').partition('+')[0]}"
    if name == "llama-cpp-python":
        flag = f"CMAKE_ARGS=-DGGML_{_LLAMA_FLAGS[api]}=on "
        again = ("--force-reinstall", "--no-deps", "--no-cache-dir")
        return install([plain], *again, before=flag, image=image)
    if name == "torch" and (build := TORCH_BUILDS.get(api)):
        return install(
            [f"{plain}+{build}"], "--extra-index-url", f"{_TORCH_INDEX}/{build}", image=image
        )
    if name == "onnxruntime" and _has_pip():
        gpu = plain.replace(name, "onnxruntime-gpu")
        return f"{_pip()} uninstall --yes onnxruntime && {install([gpu])}"
    return install([plain], "--force-reinstall", "--no-deps", image=image)


def reinstalled(engine: Engine) -> str:
    """Return what brings a broken engine again."""
    return install([f"{engine.name}=={engine.version}"], "--force-reinstall", "--no-deps")


def _pip() -> str:
    return f"{shlex.quote(sys.executable)} -m pip"


def _has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None
