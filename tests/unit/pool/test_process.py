"""The process launcher with real processes of a backend made for each test."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.errors import ConfigError, LoadFailed
from localai.pool.launchers.process import ProcessLauncher, worker_environment
from localai.protocol.launch import LaunchSpec
from tests.gateways import DEADLINE, eventually, is_alive, until

MANIFEST = """\
name: made
description: Made for a test.
capabilities: [chat]
entry: worker:Made
needs_model: false
"""
WORKER = """\
import os, signal, subprocess, sys, time
from localai.protocol.capabilities import Capability
from localai.protocol.launch import WorkerInfo
from localai.worker.backend import Backend

class Made(Backend):
    async def load(self):
        {load}
        return WorkerInfo(name="made", backend="made", capabilities=[Capability.CHAT],
                          max_concurrent=1)

    async def unload(self):
        print("gave everything back")
"""


@pytest.fixture
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessLauncher]:
    launcher = ProcessLauncher(tmp_path_factory.mktemp("run"))
    yield launcher
    launcher.close()


def made(tmp_path: Path, load: str) -> LaunchSpec:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "backend.yaml").write_text(MANIFEST)
    (folder / "worker.py").write_text(WORKER.format(load=load))
    return LaunchSpec(name="made", backend=folder, socket=Path("socket"))


async def test_polite_end_unloads_and_leaves_no_folder(
    launcher: ProcessLauncher, tmp_path: Path
) -> None:
    process = await launcher.launch(made(tmp_path, "pass"))
    phases: list[str] = []
    info = await process.ready(DEADLINE, lambda: phases.append("loading"))
    assert (info.name, phases) == ("made", ["loading"])
    assert (process.memory_bytes() or 0) > 2**20
    assert await process.stop() == 0
    assert "gave everything back" in process.tail()
    assert not process.socket.parent.exists()


async def test_process_that_ignores_sigterm_is_killed(
    launcher: ProcessLauncher, tmp_path: Path
) -> None:
    load = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(99)"
    )
    process = await launcher.launch(made(tmp_path, load))
    with pytest.raises(LoadFailed, match="was not ready within 1 seconds"):
        await process.ready(1, lambda: None)
    assert process.exit_cause().startswith("it was killed by SIGKILL")
    assert not is_alive(process.pid)


async def test_children_of_a_worker_end_with_it(launcher: ProcessLauncher, tmp_path: Path) -> None:
    load = "print('child', subprocess.Popen(['sleep', '99']).pid, flush=True)"
    process = await launcher.launch(made(tmp_path, load))
    await process.ready(DEADLINE, lambda: None)
    # What it printed comes on another pipe than that it is ready.
    told = await until(lambda: [line for line in process.tail() if line.startswith("child ")])
    child = int(told[0].split()[1])
    assert is_alive(child)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    eventually(lambda: not is_alive(child))


async def test_last_lines_are_kept_and_the_rest_forgotten(
    launcher: ProcessLauncher, tmp_path: Path
) -> None:
    process = await launcher.launch(made(tmp_path, "[print(i) for i in range(999)]; sys.exit(3)"))
    with pytest.raises(LoadFailed) as failure:
        await process.ready(DEADLINE, lambda: None)
    assert failure.value.details["phase"] == "load"
    assert failure.value.details["exit"] == "it ended with exit code 3"
    assert 1 < len(failure.value.details["last_lines"]) <= 40
    assert "998" in failure.value.details["last_lines"]


async def test_missing_package_is_named_with_the_command_that_installs_it(
    launcher: ProcessLauncher, tmp_path: Path
) -> None:
    spec = made(tmp_path, "pass")
    (spec.backend / "backend.yaml").write_text(MANIFEST + "requirements: {cpu: [no-engine>=1]}\n")
    (spec.backend / "worker.py").write_text("import no_such_engine\n")
    process = await launcher.launch(spec)
    with pytest.raises(LoadFailed, match=r"no_such_engine.*pip install 'no-engine>=1'"):
        await process.ready(DEADLINE, lambda: None)


def test_folder_without_room_for_sockets_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    with pytest.raises(ConfigError, match="does not exist"):
        ProcessLauncher(folder)
    folder.mkdir()
    with pytest.raises(ConfigError, match="too long for Unix sockets"):
        ProcessLauncher(folder)


def test_environment_is_reduced_to_what_a_worker_needs() -> None:
    seen = worker_environment(
        {"PATH": "/bin", "HF_TOKEN": "secret", "CUDA_VISIBLE_DEVICES": "1", "LC_ALL": "C"}
    )
    assert {"PATH", "CUDA_VISIBLE_DEVICES", "LC_ALL"} <= set(seen)
    assert "HF_TOKEN" not in seen


def test_folders_of_dead_gateways_are_swept_and_of_live_ones_kept(tmp_path: Path) -> None:
    for name in ("localai-1-dead", "localai-2-live", "localai-notes-x"):
        (tmp_path / name).mkdir()
    (tmp_path / "localai-1-dead" / "in-use").touch()
    with (tmp_path / "localai-2-live" / "in-use").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ProcessLauncher(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"localai-2-live", "localai-notes-x"}


def test_engines_count_nobody_from_here() -> None:
    assert worker_environment({})["ORT_DISABLE_TELEMETRY"] == "1"
    assert worker_environment({"ORT_DISABLE_TELEMETRY": "0"})["ORT_DISABLE_TELEMETRY"] == "1"
