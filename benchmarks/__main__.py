"""`python -m benchmarks`: run all benchmarks and write docs/benchmarks.md.

Usage: python -m benchmarks [--llama-server PATH]
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> None:
    """Run each benchmark in a process of its own and collect their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llama-server", help="path of a llama-server to compare with")
    parser.add_argument("--output", type=Path, default=PAGE)
    chosen = parser.parse_args()
    peer = ["--llama-server", chosen.llama_server] if chosen.llama_server else []
    sections = [
        ("Start", _table("benchmarks.start")),
        ("The gateway over the echo worker", _table("benchmarks.gateway_echo")),
        ("llama.cpp through the gateway", _table("benchmarks.llama_streams", *peer)),
        ("Speech through the gateway", _table("benchmarks.speech")),
        ("Transcription through the gateway", _table("benchmarks.transcription")),
        ("Pictures through the gateway", _table("benchmarks.images")),
        ("Embeddings", _table("benchmarks.embeddings")),
    ]
    text = "\n\n".join(f"## {title}\n\n{table}" for title, table in sections)
    chosen.output.write_text(f"# Benchmarks\n\n{_preface()}\n\n{text}\n", "utf-8")
    sys.stdout.write(text + "\n")


def _table(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    with tempfile.TemporaryFile("w+") as output:
        subprocess.run(command, stdout=output, check=True)
        output.seek(0)
        return output.read().strip()


def _preface() -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"Made by `make bench` on {today}: {os.cpu_count()} cores, {platform.machine()}, "
        f"{platform.system()}, Python {platform.python_version()}. Each table compares within one "
        "run, taking turns; figures are medians. The machine is shared, so ratios say more than "
        "single figures."
    )


if __name__ == "__main__":
    main()
