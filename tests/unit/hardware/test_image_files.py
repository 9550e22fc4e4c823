"""What the all-in-one image starts, and how it is asked whether it is ready."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.fake_gateway import serve_fake_gateway

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "aio-images"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a `localai` that prints its profile and its arguments."""
    path = tmp_path / "localai"
    path.write_text('#!/bin/sh\necho "$LOCALAI_PROFILE: $*"\n', "utf-8")
    path.chmod(0o755)
    return tmp_path


def start(programs: Path, *arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [str(IMAGES / "entrypoint.sh"), *arguments],
        env={"PATH": f"{programs}:{os.environ['PATH']}", **variables},
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return done.stdout.strip()


def test_the_image_runs_the_profile_that_suits_unless_it_is_told_another(programs: Path) -> None:
    assert start(programs) == "auto: run"
    assert start(programs, PROFILE="cpu") == "cpu: run"
    assert start(programs, PROFILE="cpu", LOCALAI_PROFILE="gpu-8g") == "gpu-8g: run"


def test_words_are_a_command_and_flags_are_runs(programs: Path) -> None:
    assert start(programs, "doctor", "--json") == "auto: doctor --json"
    assert start(programs, "--log-level", "debug") == "auto: run --log-level debug"


def healthcheck(port: int) -> int:
    command = [sys.executable, str(IMAGES / "healthcheck.py")]
    environ = os.environ | {"LOCALAI_PORT": str(port)}
    return subprocess.run(command, env=environ, check=False, timeout=30).returncode


def test_the_health_check_tells_a_gateway_from_none() -> None:
    with serve_fake_gateway() as gateway:
        port = int(gateway.url.rpartition(":")[2])
        gateway.answer_json("GET", "/ready", {"status": "ready", "models": 1})
        assert healthcheck(port) == 0
        gateway.answer_json("GET", "/ready", {"status": "no model", "models": 0}, status=503)
        assert healthcheck(port) == 1
    assert healthcheck(port) == 1


def test_compose_fences_both_of_its_services() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))["services"]

    assert set(services) == {"localai", "nvidia"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert {volume.partition(":")[2] for volume in service["volumes"]} == {"/models", "/data"}
        assert service["ports"] == ["127.0.0.1:8080:8080"]
