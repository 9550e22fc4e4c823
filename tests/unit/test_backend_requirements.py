"""What is installed for each accelerator: every backend's engine, and nothing is left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder

SCRIPT = Path(__file__).parents[2] / "scripts/backend_requirements.py"
ENGINES = {
    "llama-cpp-python", "torch", "diffusers", "faster-whisper", "piper-tts",
    "sentence-transformers",
}  # fmt: skip
ACCELERATORS = ("cpu", "cuda12", "rocm", "vulkan")


def requirements(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_every_engine_is_installed_for_every_accelerator(accelerator: str) -> None:
    lines = requirements(accelerator).stdout.splitlines()

    assert {line.partition("==")[0] for line in lines} >= ENGINES
    assert len(lines) == len(set(lines))
    on_nvidia = any(line.startswith("nvidia-cudnn-cu12") for line in lines)
    assert on_nvidia == (accelerator == "cuda12")


def test_the_processor_is_meant_where_nothing_is_said() -> None:
    assert requirements().stdout == requirements("cpu").stdout


def test_an_accelerator_that_is_none_is_refused() -> None:
    ended = requirements("cuda")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "There is no accelerator 'cuda', only: cpu, cuda12, rocm, vulkan" in ended.stderr


def test_manifests_name_accelerators_that_there_are() -> None:
    manifests = [manifest for _, manifest in read_manifests(builtin_backends_folder()).values()]
    assert {name for one in manifests for name in one.requirements} <= set(ACCELERATORS)
