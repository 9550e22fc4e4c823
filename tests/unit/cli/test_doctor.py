from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.cli.doctor_checks import (
    LITTLE_DISK,
    Finding,
    check_backends_and_cards,
    check_engines,
    check_folders,
    check_machine,
    check_port,
    check_requirements,
)
from localai.cli.listening import open_socket
from localai.hardware.cpu import Cpu
from localai.hardware.engines import Engine
from localai.hardware.gpu import Gpu
from localai.hardware.machine import Machine
from localai.hardware.memory import Memory
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder, load_settings
from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import FakeGateway

GPU = Gpu("nvidia", "RTX 4090", 24 * 2**30, 23 * 2**30, "cuda")


def machine(*gpus: Gpu, disk: int = 10**12, troubles: tuple[str, ...] = ()) -> Machine:
    memory = Memory(2**35, 2**35)
    return Machine(Cpu("x", 8, ("avx2",)), memory, gpus, disk, troubles=troubles)


@pytest.fixture
def without_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines are asked in their own tests; here they would only take time."""
    llama = Engine("llama-cpp-python", "0.3.36")
    monkeypatch.setattr("localai.hardware.engines.detect_engines", lambda: (llama,))


@pytest.fixture
def free_port() -> int:
    with open_socket("127.0.0.1", 0) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.usefixtures("without_engines")
def test_a_machine_that_is_well_ends_with_0(localai: Callable[..., Ended], free_port: int) -> None:
    ended = localai("doctor", "--port", str(free_port))

    assert ended.code == 0
    assert ended.out.splitlines()[-1] == "Nothing is wrong."
    for part in ("Machine", "Engines", "Profile"):
        assert part in ended.out.splitlines()
    assert "llama-cpp-python  0.3.36, for the processor alone" in ended.out


@pytest.mark.usefixtures("without_engines")
def test_json_has_all_of_it(localai: Callable[..., Ended], free_port: int) -> None:
    told = json.loads(localai("doctor", "--json", "--port", str(free_port)).out)

    assert told["ok"] is True
    assert told["findings"] == []
    assert told["profile"]["profile"] in {"cpu", "gpu-8g", "gpu-24g"}
    assert told["machine"]["cpu"]["cores"] >= 1
    assert told["machine"]["memory"]["total"] > told["machine"]["memory"]["free"] > 0
    assert told["engines"][0]["name"] == "llama-cpp-python"


@pytest.mark.usefixtures("without_engines")
def test_what_is_wrong_comes_with_what_mends_it_and_ends_with_1(
    tmp_path: Path, localai: Callable[..., Ended], free_port: int
) -> None:
    missing = tmp_path / "none"
    ended = localai("doctor", "--models", str(missing), "--port", str(free_port))

    assert ended.code == 1
    assert f"error: models: the folder {missing} does not exist" in ended.out
    assert f"  mend: mkdir -p {missing}" in ended.out


@pytest.mark.usefixtures("without_engines")
def test_a_wrong_setting_is_a_finding(
    localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAI_PORT", "many")
    ended = localai("doctor")

    assert ended.code == 1
    assert "error: port = 'many' (from the variable LOCALAI_PORT)" in ended.out


@pytest.mark.usefixtures("without_engines")
def test_a_profile_whose_models_are_not_here_only_warns(
    localai: Callable[..., Ended], free_port: int
) -> None:
    ended = localai("doctor", "--profile", "cpu", "--port", str(free_port))

    assert ended.code == 0
    assert "warning: 'gpt-4' is not here yet: 'starter-chat' answers in its place" in ended.out
    assert "  mend: localai pull hf://" in ended.out


def test_a_port_that_another_program_has_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localai.cli.doctor_checks._SECONDS", 0.2)
    with open_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        (finding,) = check_port("127.0.0.1", port)

    assert finding.level == "error"
    assert f"Port {port} of 127.0.0.1 is taken" in finding.what
    assert finding.mend == f"localai run --port {port + 1}"


def test_a_port_that_localai_has_already_is_not(gateway: FakeGateway) -> None:
    gateway.answer_json("GET", "/ready", {"status": "ready", "models": 3})

    assert list(check_port("127.0.0.1", int(gateway.url.rpartition(":")[2]))) == []


def test_folders_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "models"
    models.mkdir()
    settings = load_settings(models=models, spool_dir=tmp_path, runtime_dir=tmp_path / "none")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = list(check_folders(settings, machine(disk=LITTLE_DISK - 1)))

    assert [(one.level, one.what.split(":")[0]) for one in found] == [
        ("warning", f"The folder {models} cannot be written"),
        ("warning", f"Only 2.0 GiB are free for models at {settings.store}"),
        ("error", "runtime_dir"),
        ("error", "spool_dir"),
    ]
    assert f"sudo chown {os.getuid()} {models}" in {one.mend for one in found}


def test_a_gpu_that_the_engine_cannot_use_is_told_with_the_build() -> None:
    llama = Engine("llama-cpp-python", "0.3.36")
    (finding,) = check_machine(machine(GPU), [llama])

    assert finding.level == "warning"
    assert finding.mend.startswith("CMAKE_ARGS=-DGGML_CUDA=on pip install --force-reinstall")
    assert finding.mend.endswith("llama-cpp-python==0.3.36")
    built = Engine("llama-cpp-python", "0.3.36", ("cuda",), ("cuda",))
    assert list(check_machine(machine(GPU), [built])) == []
    assert list(check_machine(machine(), [llama])) == []


def test_a_driver_in_trouble_is_a_warning() -> None:
    (finding,) = check_machine(machine(troubles=("`nvidia-smi` ended",)), [])

    assert (finding.level, finding.what) == ("warning", "`nvidia-smi` ended")


def test_an_engine_that_cannot_be_imported_is_an_error() -> None:
    broken = Engine("ctranslate2", "4.8.5", trouble="ImportError: libfoo.so")

    assert list(check_engines([broken, Engine("torch", None)])) == [
        Finding(
            "error",
            "ctranslate2 cannot be used: ImportError: libfoo.so",
            "pip install --force-reinstall --no-deps 'ctranslate2==4.8.5'",
        )
    ]


def test_packages_that_are_missing_or_of_another_version() -> None:
    backends = read_manifests(builtin_backends_folder())
    versions = {"faster-whisper": "1.2.1", "torch": "2.13.0+cpu"}

    missing = list(check_requirements(backends, ["faster_whisper"], versions.get))
    assert [one.level for one in missing] == ["error"]
    assert missing[0].mend == "pip install 'ctranslate2==4.8.5'"
    other = versions | {"ctranslate2": "4.0.0"}
    (finding,) = check_requirements(backends, ["faster_whisper"], other.get)
    assert finding.level == "warning"
    assert "tried with ctranslate2==4.8.5, and 4.0.0 is installed" in finding.what
    whole = versions | {"ctranslate2": "4.8.5+cuda"}
    assert list(check_requirements(backends, ["faster_whisper"], whole.get)) == []


def test_broken_cards_missing_files_and_clashes_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nbackend: echo\nx: 1\n", "utf-8")
    (tmp_path / "b.yaml").write_text("name: b\nbackend: llama_cpp\nmodel: no.gguf\n", "utf-8")
    (tmp_path / "c.yaml").write_text("name: c\nbackend: echo\n", "utf-8")
    (tmp_path / "d.yaml").write_text("name: c\nbackend: echo\n", "utf-8")
    found = list(check_backends_and_cards(load_settings(models=tmp_path)))

    assert [(one.level, one.mend) for one in found] == [
        ("error", f"localai card check {tmp_path / 'a.yaml'}"),
        ("warning", "rename one of the two"),
        ("error", f"localai card check {tmp_path / 'b.yaml'}"),
    ]
    assert f"{tmp_path / 'no.gguf'} does not exist" in found[2].what


def test_a_backend_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/backend.yaml").write_text("name: bad\n", "utf-8")
    settings = load_settings(models=tmp_path, backends=(tmp_path,))

    (finding,) = check_backends_and_cards(settings)
    assert str(tmp_path / "bad/backend.yaml") in finding.what
