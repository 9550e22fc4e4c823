"""Programs that LocalAI can use: container engines, bubblewrap, compilers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from localai.hardware.probe import Probe

COMPILERS = ("c++", "cmake", "nvcc", "hipcc", "glslc")


@dataclass(frozen=True)
class Tool:
    """A program that is installed."""

    name: str
    version: str
    """As it names it itself, `?` where it does not."""
    trouble: str | None = None
    """Why it cannot be used, None where it can."""


def detect_container_engine(probe: Probe) -> Tool | None:
    """Return podman, else docker; `trouble` tells where docker's daemon does not answer."""
    podman = _tool(probe, "podman")
    if podman is not None:
        return podman
    docker = _tool(probe, "docker")
    if docker is None:
        return None
    daemon = probe.run("docker", "version", "--format", "{{.Server.Version}}")
    is_up = daemon is not None and daemon.is_ok
    return docker if is_up or daemon is None else replace(docker, trouble=daemon.trouble)


def detect_bubblewrap(probe: Probe) -> Tool | None:
    """Return bubblewrap; `trouble` tells where the kernel lets it make no sandbox."""
    tool = _tool(probe, "bwrap")
    if tool is None:
        return None
    tried = probe.run("bwrap", "--ro-bind", "/", "/", "--unshare-all", "true")
    works = tried is not None and tried.is_ok
    return Tool("bubblewrap", tool.version, None if works or tried is None else tried.trouble)


def detect_compilers(probe: Probe) -> tuple[Tool, ...]:
    """Return the compilers that engines are built with."""
    return tuple(tool for name in COMPILERS if (tool := _tool(probe, name)))


def parse_version(text: str) -> str:
    """Return the version in what a program prints about itself; NVIDIA's has it at the end."""
    release = re.search(r"release (\d+(?:\.\d+)+)", text)
    found = release or re.search(r"(\d+(?:\.\d+)+)", text)
    return found[1] if found else "?"


def _tool(probe: Probe, name: str) -> Tool | None:
    ran = probe.run(name, "--version")
    if ran is None:
        return None
    return Tool(name, parse_version(ran.out), None if ran.is_ok else ran.trouble)
