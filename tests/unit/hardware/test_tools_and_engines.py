from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from localai.hardware import engines
from localai.hardware.engines import QUESTIONS, Engine, apis_of, detect_engines, parse_answer
from localai.hardware.probe import ThisMachine
from localai.hardware.tools import (
    Tool,
    detect_bubblewrap,
    detect_compilers,
    detect_container_engine,
    parse_version,
)
from tests.unit.hardware.recorded import Recorded, failed, printed


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("podman version 4.3.1\n", "4.3.1"),
        ("Docker version 24.0.5, build ced0996\n", "24.0.5"),
        ("bubblewrap 0.8.0\n", "0.8.0"),
        ("c++ (Debian 12.2.0-14) 12.2.0\n", "12.2.0"),
        ("nvcc: NVIDIA (R) Cuda compiler driver\nBuilt on Tue_2024.02.27\n"
         "Cuda compilation tools, release 12.4, V12.4.99\n", "12.4"),
        ("who knows\n", "?"),
    ],
)  # fmt: skip
def test_versions_are_found_in_what_programs_say(text: str, version: str) -> None:
    assert parse_version(text) == version


def test_podman_comes_before_docker_and_needs_no_daemon() -> None:
    docker = {"docker --version": printed("Docker version 24.0.5, build ced0996")}
    both = Recorded({"podman": printed("podman version 4.3.1")} | docker)

    assert detect_container_engine(both) == Tool("podman", "4.3.1")
    assert detect_container_engine(Recorded()) is None
    up = Recorded(docker | {"docker version": printed("24.0.5")})
    down = Recorded(docker | {"docker version": failed("no daemon")})
    assert detect_container_engine(up) == Tool("docker", "24.0.5")
    assert detect_container_engine(down) == Tool("docker", "24.0.5", "no daemon")


def test_a_sandbox_that_the_kernel_forbids_is_told() -> None:
    version = {"bwrap --version": printed("bubblewrap 0.8.0")}
    trouble = "`bwrap` ended with exit code 1: No permissions to create new namespace"

    works = detect_bubblewrap(Recorded(version | {"bwrap --ro-bind": printed("")}))
    fails = detect_bubblewrap(Recorded(version | {"bwrap --ro-bind": failed(trouble)}))
    assert works == Tool("bubblewrap", "0.8.0")
    assert fails == Tool("bubblewrap", "0.8.0", trouble)


def test_compilers_are_those_that_are_there() -> None:
    probe = Recorded({"cmake": printed("cmake version 3.25.1")})

    assert detect_compilers(probe) == (Tool("cmake", "3.25.1"),)


def test_llama_cpps_libraries_tell_what_it_was_built_for() -> None:
    assert apis_of(["libllama.so", "libggml-cpu.so"]) == ()
    assert apis_of(["libggml-cuda.so", "libggml-cuda.so.0", "libggml-vulkan.so"]) == (
        "cuda", "vulkan",
    )  # fmt: skip
    assert apis_of(["ggml-vulkan.dll"]) == ("vulkan",)


def test_an_engines_answer_is_its_last_line() -> None:
    answer = 'ggml_init: found 1 device\n{"built_for": ["cuda"], "works": []}\n'

    assert parse_answer("torch", "2.13.0", answer) == Engine("torch", "2.13.0", ("cuda",), ())


@pytest.mark.parametrize("answer", ["", "\n\n", "Segmentation", "[]", "3"])
def test_an_engine_that_says_nothing_of_itself_is_told(answer: str) -> None:
    assert parse_answer("torch", "1", answer).trouble is not None


def test_llama_cpp_that_finds_no_gpu_is_not_built_for_the_processor_alone() -> None:
    answer = '{"libraries": ["libggml-cuda.so"], "finds_gpu": %s}'

    blind = parse_answer("llama-cpp-python", "0.3", answer % "false")
    assert (blind.built_for, blind.works) == (("cuda",), ())
    assert parse_answer("llama-cpp-python", "0.3", answer % "true").works == ("cuda",)


def test_asking_engines_leaves_nothing_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
        (tmp_path / name).mkdir()

    assert detect_engines({"onnxruntime": QUESTIONS["onnxruntime"]})[0].trouble is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_same_engine_under_another_name_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"onnxruntime-gpu": "1.2"}
    monkeypatch.setattr(engines, "installed_version", versions.get)
    answer = """print('{"built_for": [], "works": []}')"""

    assert detect_engines({"onnxruntime": answer}) == (Engine("onnxruntime", "1.2"),)


def test_engines_answer_from_processes_of_their_own() -> None:
    program = (
        "import sys; from localai.hardware.engines import detect_engines as d; found = d();"
        "print(*(f'{e.name}={e.trouble}' for e in found));"
        "print([m for m in ('torch', 'llama_cpp', 'ctranslate2') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )

    told, imported = done.stdout.splitlines()
    assert "llama-cpp-python=None" in told.split()
    assert imported == "[]"


def test_an_engine_that_cannot_be_imported_says_why() -> None:
    (engine,) = detect_engines({"pydantic": "raise ImportError('libcudart.so.12: no such file')"})
    assert engine.trouble == "ImportError: libcudart.so.12: no such file"

    assert detect_engines({"no-such-engine": ""}) == (Engine("no-such-engine", None),)


def test_an_engine_that_crashes_or_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
    assert detect_engines({"pydantic": crash})[0].trouble == "importing it ended with signal 4"

    monkeypatch.setattr(engines, "SECONDS", 0.2)
    (engine,) = detect_engines({"pydantic": "while True: pass"})
    assert engine.trouble == "it could not be imported within 0.2 seconds"


def write_program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)


def test_programs_end_in_time_and_say_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(tmp_path, "good", "echo fine")
    write_program(tmp_path, "bad", "echo NVIDIA-SMI has failed; exit 9")
    write_program(tmp_path, "slow", "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    here = ThisMachine()

    good, bad = here.run("good"), here.run("bad")
    slow = ThisMachine(seconds=0.3).run("slow")
    assert good is not None
    assert (good.is_ok, good.out) == (True, "fine\n")
    assert bad is not None
    assert bad.trouble == "`bad` ended with exit code 9: NVIDIA-SMI has failed"
    assert slow is not None
    assert slow.trouble == "`slow` gave no answer within 0.3 seconds"
    assert here.run("no such program") is None


def test_files_that_cannot_be_read_and_folders_to_come(tmp_path: Path) -> None:
    here = ThisMachine()

    assert here.read(str(tmp_path / "none")) is None
    assert (here.disk_free(tmp_path / "not" / "yet") or 0) > 0
