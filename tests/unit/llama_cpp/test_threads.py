from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.llama_cpp.engine import threads


def test_spinning_is_limited_unless_somebody_decided() -> None:
    environment: dict[str, str] = {}
    threads.limit_spinning(environment)
    assert environment == {"GOMP_SPINCOUNT": threads.SPIN_COUNT}
    decided = {"OMP_WAIT_POLICY": "active"}
    threads.limit_spinning(decided)
    assert decided == {"OMP_WAIT_POLICY": "active"}


def test_spinning_is_limited_before_llama_cpp_is_imported() -> None:
    code = (
        "import os, sys; import backends.llama_cpp;"
        "print(os.environ['GOMP_SPINCOUNT'], 'llama_cpp' in sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        env={name: value for name, value in os.environ.items() if "OMP" not in name},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.split() == [threads.SPIN_COUNT, "False"]


def test_threads_are_one_a_physical_core(monkeypatch: pytest.MonkeyPatch) -> None:
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    monkeypatch.setattr(threads, "_usable_cpus", lambda: set(siblings))
    monkeypatch.setattr(threads, "_core_of", siblings.__getitem__)
    monkeypatch.setattr(threads, "_cpu_quota", lambda path: None)
    assert threads.default_threads() == 2
    monkeypatch.setattr(threads, "_cpu_quota", lambda path: 1)
    assert threads.default_threads() == 1


@pytest.mark.parametrize(
    ("content", "quota"),
    [("max 100000", None), ("250000 100000", 2), ("50000 100000", 1), ("", None)],
)
def test_a_containers_quota(tmp_path: Path, content: str, quota: int | None) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(content)
    assert threads._cpu_quota(path) == quota


def test_no_quota_without_the_file(tmp_path: Path) -> None:
    assert threads._cpu_quota(tmp_path / "none") is None
