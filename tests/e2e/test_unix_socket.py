"""`localai run --socket`: the same gateway behind a Unix socket."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import openai
import pytest

from tests.gateways import DEADLINE, eventually

ROOT = Path(__file__).parents[2]
CLI = [sys.executable, "-m", "localai.cli"]


@contextmanager
def gateway(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a gateway at `folder/s` and yield it once it answers."""
    for name in ("models", "run"):
        (folder / name).mkdir(exist_ok=True)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*CLI, "run"], env=environ(folder), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        eventually(lambda: process.poll() is not None or healthcheck(folder) == 0)
        assert process.poll() is None, (folder / "log").read_text()
        yield process
    finally:
        process.terminate()
        process.wait(DEADLINE)


def environ(folder: Path) -> dict[str, str]:
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("LOCALAI_", "OPENAI_"))}
    names = {"models": "models", "store": "store", "runtime_dir": "run", "socket": "s"}
    return clean | {f"LOCALAI_{key.upper()}": str(folder / at) for key, at in names.items()}


def localai(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments], env=environ(folder), capture_output=True, text=True, check=False,
        timeout=DEADLINE,
    )  # fmt: skip


def healthcheck(folder: Path) -> int:
    command = [sys.executable, str(ROOT / "aio-images/healthcheck.py")]
    return subprocess.run(command, env=environ(folder), check=False, timeout=DEADLINE).returncode


def test_clients_reach_it_and_it_leaves_nothing_behind(tmp_path: Path) -> None:
    socket = tmp_path / "s"
    with gateway(tmp_path) as process:
        http = httpx2.Client(transport=httpx2.HTTPTransport(uds=str(socket)))
        with openai.OpenAI(
            base_url="http://localhost/v1", api_key="any", http_client=http, max_retries=0
        ) as client:
            stream = client.chat.completions.create(
                model="echo", stream=True, messages=[{"role": "user", "content": "over a socket"}]
            )
            said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert said == "over a socket"

        assert localai(tmp_path, "ps").stdout.splitlines()[1].startswith("echo ")
        url = f"unix://{socket}"
        assert localai(tmp_path, "chat", "echo", "hello", "--url", url).stdout.strip() == "hello"
        log = (tmp_path / "log").read_text()
        assert f"listens on {url}" in log
        assert f"curl --unix-socket {socket} http://localhost/v1/chat/completions" in log

        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    assert not socket.exists()
    ended = localai(tmp_path, "ps")
    assert ended.returncode == 1
    assert f"No gateway answers at {url} (" in ended.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curl_reaches_it(tmp_path: Path) -> None:
    with gateway(tmp_path):
        done = subprocess.run(
            ["curl", "--silent", "--unix-socket", str(tmp_path / "s"), "http://localhost/ready"],
            capture_output=True, text=True, check=True, timeout=DEADLINE,
        )  # fmt: skip
    assert '"ready"' in done.stdout


def test_a_living_gateway_is_not_displaced_and_a_killed_one_is(tmp_path: Path) -> None:
    with gateway(tmp_path) as process:
        second = localai(tmp_path, "run")
        assert (second.returncode, "Another program listens" in second.stderr) == (2, True)
        assert healthcheck(tmp_path) == 0
        process.kill()
        process.wait(DEADLINE)
        assert (tmp_path / "s").is_socket()
    with gateway(tmp_path):
        assert healthcheck(tmp_path) == 0
