"""Starts the real gateway for a benchmark, with its own folders, and ends it afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


@contextmanager
def served(folder: Path, *cards: str) -> Iterator[tuple[int, Path, int]]:
    """Yield port, runtime folder and process id of a gateway that serves `cards` (YAML texts)."""
    models, runtime = folder / "models", folder / "run"
    models.mkdir()
    runtime.mkdir()
    for number, card in enumerate(cards):
        (models / f"card{number}.yaml").write_text(card, "utf-8")
    command = [
        sys.executable, "-m", "localai.cli", "run", "--port", "0", "--models", str(models)
    ]  # fmt: skip
    environ = os.environ | {"LOCALAI_RUNTIME_DIR": str(runtime)}
    with (folder / "gateway.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environ
        )
    try:
        yield _read_port(process), runtime, process.pid
    finally:
        process.terminate()
        process.wait()


def _read_port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if found := _ADDRESS.search(line):
            return int(found[1])
    raise RuntimeError("the gateway ended before it listened")
