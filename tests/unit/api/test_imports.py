from __future__ import annotations

import json
import subprocess
import sys

import pytest

ENGINES = {"torch", "llama_cpp", "numpy", "faster_whisper", "diffusers", "backends"}
_SHOW = "import json, sys, {0}; print(json.dumps([m.partition('.')[0] for m in sys.modules]))"


def imported_by(module: str) -> set[str]:
    """Return the packages that a fresh interpreter has after importing `module`."""
    command = [sys.executable, "-c", _SHOW.format(module)]
    output = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return set(json.loads(output))


@pytest.mark.parametrize("module", ["localai.api.app", "localai.cli", "localai.cli.run"])
def test_the_gateway_loads_no_inference_library(module: str) -> None:
    packages = imported_by(module)
    assert "localai" in packages
    assert not packages & ENGINES


def test_the_command_line_alone_loads_no_web_framework() -> None:
    assert not imported_by("localai.cli") & {"fastapi", "starlette", "uvicorn"}


def test_the_worker_host_loads_no_gateway() -> None:
    command = _SHOW.replace("m.partition('.')[0]", "m").format("localai.worker.host")
    output = subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, timeout=60
    ).stdout
    loaded = json.loads(output)
    above = ("localai.api", "localai.pool", "localai.cards", "localai.cli", "fastapi")
    assert not [name for name in loaded if name.startswith(above)]
