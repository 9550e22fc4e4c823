"""What the gateway costs: the echo worker through it, against the same worker on its socket.

Usage: python -m benchmarks.gateway_echo [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks.load import Target, call_many, chat_request, stream_many
from benchmarks.served import served

ROUNDS = 5
CALL = chat_request("echo", "hello from the benchmark")
STREAM = chat_request("echo", "word [[words=20000]]", stream=True)


async def measure(direct: Target, gateway: Target) -> dict[str, float]:
    """Return the medians over rounds in which both targets take turns."""
    seen: dict[str, list[float]] = {}
    for target in (direct, gateway):
        await call_many(target, CALL, 1, 300)
    for _ in range(ROUNDS):
        for target in (direct, gateway):
            one = await call_many(target, CALL, 1, 1000)
            many = await call_many(target, CALL, 16, 6400)
            chunks = await stream_many(target, STREAM, 8)
            for name, value in (
                ("p50_ms", one.p50), ("calls_per_s", many.per_second), ("chunks_per_s", chunks)
            ):  # fmt: skip
                seen.setdefault(f"{target.name}_{name}", []).append(value)
    return {name: statistics.median(values) for name, values in seen.items()}


def table(seen: dict[str, float]) -> str:
    """Return the result as Markdown."""
    rows = [
        ("p50 at 1 client, ms", "p50_ms", "{:.3f}"),
        ("calls/s at 16 clients", "calls_per_s", "{:,.0f}"),
        ("SSE chunks/s over 8 streams", "chunks_per_s", "{:,.0f}"),
    ]
    lines = ["| figure | worker alone | through the gateway | ratio |", "|---|---|---|---|"]
    for title, name, form in rows:
        alone, through = seen[f"direct_{name}"], seen[f"gateway_{name}"]
        figures = f"{form.format(alone)} | {form.format(through)} | {through / alone:.2f}"
        lines.append(f"| {title} | {figures} |")
    added = seen["gateway_p50_ms"] - seen["direct_p50_ms"]
    return "\n".join([*lines, "", f"Added p50 at one client: {added:.3f} ms"])


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (port, runtime, _):
        gateway = Target("gateway", port=port)
        uvloop.run(call_many(gateway, CALL, 1, 1))
        socket = next(runtime.glob("localai-*/*/socket"))
        seen = uvloop.run(measure(Target("direct", socket=socket), gateway))
    if chosen.json:
        chosen.json.write_text(json.dumps(seen, indent=1) + "\n", "utf-8")
    sys.stdout.write(table(seen) + "\n")


if __name__ == "__main__":
    main()
