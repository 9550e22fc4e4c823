"""How soon the gateway answers, what it weighs, and how soon the first token comes.

Usage: python -m benchmarks.start
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import orjson

from benchmarks.served import served

ROUNDS = 5


def measure() -> dict[str, float]:
    """Return the medians of several fresh starts: seconds, and MiB of resident memory."""
    seen: dict[str, list[float]] = {"listen": [], "memory": [], "first_token": []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            with served(Path(folder)) as (port, _, pid):
                seen["listen"].append(time.perf_counter() - began)
                seen["first_token"].append(first_token(port))
                seen["memory"].append(resident_mib(pid))
    return {name: statistics.median(values) for name, values in seen.items()}


def first_token(port: int) -> float:
    """Return the seconds from the first ever call to the first text of its answer."""
    body = {"messages": [{"role": "user", "content": "Hello!"}], "stream": True}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    began = time.perf_counter()
    with httpx2.stream("POST", url, json=body, timeout=60) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                delta = orjson.loads(line[6:])["choices"][0]["delta"]
                if delta.get("content"):
                    return time.perf_counter() - began
    raise RuntimeError("no text came")


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    """Run the benchmark and print its table."""
    seen = measure()
    rows = [
        ("`localai run` until it listens, s", f"{seen['listen']:.2f}", "≤ 1.5"),
        ("first token of the first call with the load, s", f"{seen['first_token']:.2f}", "≤ 3"),
        ("gateway's resident memory, MiB", f"{seen['memory']:.0f}", "≤ 120"),
    ]  # fmt: skip
    lines = ["| figure | median | aim |", "|---|---|---|"]
    lines += [f"| {name} | {value} | {aim} |" for name, value, aim in rows]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
