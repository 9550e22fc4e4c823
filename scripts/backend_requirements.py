"""Prints the pip requirements of all built-in backends for one accelerator.

Usage: backend_requirements.py [cpu|cuda12|rocm|vulkan]
"""

from __future__ import annotations

import sys

from localai.protocol.manifest import Manifest, read_manifests
from localai.settings import builtin_backends_folder

ACCELERATORS = ("cpu", "cuda12", "rocm", "vulkan")


def requirements(accelerator: str) -> list[str]:
    """Return what to install for all backends, sorted, each once."""
    manifests = [manifest for _, manifest in read_manifests(builtin_backends_folder()).values()]
    return sorted({line for one in manifests for line in requirements_of(one, accelerator)})


def requirements_of(manifest: Manifest, accelerator: str) -> list[str]:
    """Return what one backend needs; where it names nothing of its own, what it needs on a CPU."""
    return manifest.requirements.get(accelerator, manifest.requirements.get("cpu", []))


if __name__ == "__main__":
    accelerator = sys.argv[1] if len(sys.argv) > 1 else "cpu"
    if accelerator not in ACCELERATORS:
        sys.exit(f"There is no accelerator '{accelerator}', only: {', '.join(ACCELERATORS)}")
    sys.stdout.write("".join(f"{line}\n" for line in requirements(accelerator)))
