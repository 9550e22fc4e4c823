"""Prints the pip requirements of all built-in backends for one accelerator.

Usage: backend_requirements.py [cpu|cuda12|…]
"""

from __future__ import annotations

import sys

from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder


def requirements(accelerator: str) -> list[str]:
    """Return what to install, sorted, each once."""
    manifests = [manifest for _, manifest in read_manifests(builtin_backends_folder()).values()]
    return sorted({r for m in manifests for r in m.requirements.get(accelerator, [])})


if __name__ == "__main__":
    accelerator = sys.argv[1] if len(sys.argv) > 1 else "cpu"
    sys.stdout.write("".join(f"{line}\n" for line in requirements(accelerator)))
