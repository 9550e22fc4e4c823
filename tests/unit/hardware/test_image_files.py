"""What the all-in-one image starts, and how it is asked whether it is ready."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from localai.cli.doctor_findings import TORCH_BUILDS
from localai.errors import ConfigError
from localai.settings import Settings, load_settings
from tests.unit.cli.fake_gateway import serve_fake_gateway

OF_THE_IMAGE = {
    f"LOCALAI_{name}"
    for name in (
        "HOST", "PORT", "SOCKET", "MODELS", "STORE", "GALLERIES", "BACKENDS", "SPOOL_DIR",
        "RUNTIME_DIR",
    )
}  # fmt: skip
"""Where it listens and what lies where: a matter of the ports and volumes."""
ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "aio-images"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a `localai` that prints what says its profile, and its arguments."""
    path = tmp_path / "localai"
    path.write_text('#!/bin/sh\necho "${LOCALAI_PROFILE-unset}/${PROFILE-unset}: $*"\n', "utf-8")
    path.chmod(0o755)
    return tmp_path


def start(programs: Path, *arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [str(IMAGES / "entrypoint.sh"), *arguments],
        env={"PATH": f"{programs}:{os.environ['PATH']}", **variables},
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("variables", "profile", "by_file"),
    [
        ({}, "auto", "gpu-24g"),
        ({"PROFILE": "cpu"}, "cpu", "cpu"),
        ({"PROFILE": "cpu", "LOCALAI_PROFILE": "gpu-8g"}, "gpu-8g", "gpu-8g"),
        ({"PROFILE": ""}, None, "gpu-24g"),
        ({"LOCALAI_PROFILE": ""}, None, "gpu-24g"),
        ({"PROFILE": "cpu", "LOCALAI_PROFILE": ""}, "cpu", "gpu-24g"),
    ],
)
def test_the_profile_is_what_somebody_says_else_what_suits(
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    profile: str | None,
    by_file: str | None,
) -> None:
    said = start(programs, **variables).partition(":")[0].split("/")
    for name, value in zip(("LOCALAI_PROFILE", "PROFILE"), said, strict=True):
        if value != "unset":
            monkeypatch.setenv(name, value)
    config = tmp_path / "localai.yaml"
    config.write_text("profile: gpu-24g\n", "utf-8")

    assert load_settings().profile == profile
    assert load_settings(config).profile == by_file


def test_a_profile_that_nobody_knows_is_told(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start(programs, PROFILE="gpu-16g") == "gpu-16g/gpu-16g: run"
    monkeypatch.setenv("LOCALAI_PROFILE", "gpu-16g")
    with pytest.raises(ConfigError, match="gpu-16g"):
        load_settings()


def test_words_are_a_command_and_flags_are_runs(programs: Path) -> None:
    assert start(programs, "doctor", "--json") == "unset/auto: doctor --json"
    assert start(programs, "--log-level", "debug") == "unset/auto: run --log-level debug"


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


def compose() -> dict[str, dict[str, object]]:
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))["services"]
    assert isinstance(services, dict)
    return services


def test_compose_fences_both_of_its_services() -> None:
    services = compose()

    assert set(services) == {"localai", "nvidia"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        volumes = service["volumes"]
        assert isinstance(volumes, list)
        assert {volume.partition(":")[2] for volume in volumes} == {"/models", "/data"}
        assert service["ports"] == ["127.0.0.1:8080:8080"]


def test_compose_passes_on_what_the_caller_has_and_nothing_more() -> None:
    for service in compose().values():
        environment = service["environment"]
        assert isinstance(environment, dict)
        # Without a value it is the caller's own, and none where the caller has none.
        own = {name for name, value in environment.items() if value is None}
        assert {"HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "MODELS", "PROFILE"} <= own
        settings = {f"LOCALAI_{name.upper()}" for name in Settings.model_fields}
        assert {name for name in own if name.startswith("LOCALAI_")} == settings - OF_THE_IMAGE


def test_what_the_image_writes_lies_on_its_volumes() -> None:
    text = (ROOT / "Dockerfile.aio").read_text("utf-8")
    folders = dict(re.findall(r"LOCALAI_(MODELS|STORE|GALLERIES|SPOOL_DIR)=(\S+)", text))

    assert len(folders) == 4
    assert all(folder.startswith(("/models", "/data")) for folder in folders.values())
    assert 'VOLUME ["/models", "/data"]' in text


def test_the_doctor_names_the_builds_of_torch_that_the_image_takes() -> None:
    text = (ROOT / "Dockerfile.aio").read_text("utf-8")
    builds = dict(re.findall(r"(cuda12|rocm)\) build=(\w+(?:\.\w+)?) ;;", text))

    assert {"cuda12": TORCH_BUILDS["cuda"], "rocm": TORCH_BUILDS["rocm"]} == builds


def test_the_makefile_names_every_target_that_is_no_file() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.M)
    targets = set(re.findall(r"^([a-z-]+):", text, re.M))

    assert targets == set(phony.split())
