"""The real product as tests start it: `localai run` in a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2

T = TypeVar("T")
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
DEADLINE = 30.0
"""Seconds that anything may take on a busy machine before a test gives up on it."""


class RunningGateway:
    """`localai run` on a free port, with folders of its own; use it as a context manager."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.models = folder / "models"
        self.runtime = folder / "run"
        self._log = folder / "gateway.log"
        for path in (self.models, self.runtime):
            path.mkdir(exist_ok=True)
        self.store = folder / "store"
        self._settings = {
            "runtime_dir": self.runtime, "store": self.store, "reload_interval": 0.05, **settings
        }  # fmt: skip
        self.environ = {"HF_HUB_OFFLINE": "1"}
        """More of the environment; a hub is asked only where a test has one of its own."""

    def add_card(self, name: str, text: str) -> Path:
        """Write a card file into the models folder."""
        path = self.models / f"{name}.yaml"
        part = path.with_name(f".{path.name}.part")  # no look of the gateway's finds half a card
        part.write_text(text, "utf-8")
        part.replace(path)
        return path

    def __enter__(self) -> Self:
        environ = (
            os.environ
            | self.environ
            | {f"LOCALAI_{name.upper()}": str(value) for name, value in self._settings.items()}
        )
        command = [sys.executable, "-m", "localai.cli", "run", "--port", "0"]
        self._output = self._log.open("w")
        self.process = subprocess.Popen(
            [*command, "--models", str(self.models)],
            stdout=self._output, stderr=subprocess.STDOUT, env=environ, start_new_session=True,
        )  # fmt: skip
        self.port = int(eventually(self._find_port))
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx2.Client(base_url=self.url, timeout=DEADLINE)
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._output.close()

    def log(self) -> str:
        """Return all that the gateway has printed."""
        return self._log.read_text("utf-8")

    def workers(self) -> list[dict[str, Any]]:
        """Return what `GET /admin/workers` lists."""
        return list(self.http.get("/admin/workers").json()["data"])

    def worker(self, model: str) -> dict[str, Any]:
        """Return the entry of one model's worker, empty when there is none."""
        return next((w for w in self.workers() if w["model"] == model), {})

    def worker_metric(self, model: str, name: str) -> float:
        """Return a figure from the worker's own `/metrics`, read on its socket."""
        pid = self.worker(model)["pid"]
        socket = socket_of(pid)
        transport = httpx2.HTTPTransport(uds=str(socket))
        with httpx2.Client(transport=transport, timeout=DEADLINE) as client:
            text = client.get("http://worker/metrics").text
        lines = dict(line.split(" ") for line in text.splitlines() if line[0] != "#")
        return float(lines[f"localai_worker_{name}"])

    def kill(self) -> None:
        """End the gateway as the kernel would when memory runs out."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _find_port(self) -> str | None:
        if self.process.poll() is not None:
            raise AssertionError(f"the gateway ended:\n{self.log()}")
        found = _ADDRESS.search(self.log())
        return found[1] if found else None


def socket_of(pid: int) -> Path:
    """Return the socket of the worker with this process id."""
    return Path(os.readlink(f"/proc/{pid}/cwd")) / "socket"


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def eventually(look: Callable[[], T | None], deadline: float = DEADLINE) -> T:
    """Return the first truthy value of `look`; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (value := look()):
        if time.monotonic() > end:
            raise AssertionError(f"{look} stayed {value!r} for {deadline} s")
        time.sleep(0.01)
    return value


async def until(look: Callable[[], T | None], deadline: float = DEADLINE) -> T:
    """Return the same as `eventually`, and let the event loop run meanwhile."""
    end = time.monotonic() + deadline
    while not (value := look()):
        if time.monotonic() > end:
            raise AssertionError(f"{look} stayed {value!r} for {deadline} s")
        await asyncio.sleep(0.001)
    return value
