"""What the gateway costs a transcription: through it, and by faster-whisper alone.

Both have the same model, options and threads, each in a process of its own, and take turns.

Usage: python -m benchmarks.transcription [--model FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from benchmarks.served import served
from localai.settings import builtin_cards_folder

ROUNDS = 9
THREADS = 1
MODEL = builtin_cards_folder().parent / "whisper" / "starter-whisper"
SENTENCES = "Hello, can you hear me? Good evening, my friend. What is the capital of Spain? "
LENGTHS = {"short": 1, "long": 8}
"""How often the sentences are said: some seconds at once, and minutes in batches."""
CARD = """
name: measured
backend: faster_whisper
model: {model}
options: {{compute_type: float32, cpu_threads: {threads}, batched_from: 30, chunk_length: 10}}
"""


def transcribe_alone(model: str) -> None:
    """Write down the files named on standard input, and say how many seconds each took."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    loaded = WhisperModel(model, compute_type="float32", cpu_threads=THREADS)
    batches = BatchedInferencePipeline(loaded)
    for line in sys.stdin:
        kind, _, path = line.strip().partition(" ")
        began = time.perf_counter()
        if kind == "long":
            segments, _ = batches.transcribe(path, chunk_length=10)
        else:
            segments, _ = loaded.transcribe(path)
        text = "".join(segment.text for segment in segments)
        print(time.perf_counter() - began, json.dumps(text), flush=True)  # noqa: T201


@contextmanager
def alone(model: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that runs `transcribe_alone`."""
    command = [sys.executable, "-m", "benchmarks.transcription", "--alone", str(model)]
    # As workers have it: how threads wait, and a session of its own, which the kernel gives its
    # own share of busy cores.
    environ = {"GOMP_SPINCOUNT": "1000"} | os.environ
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        start_new_session=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def ask_alone(process: subprocess.Popen[str], kind: str, path: Path) -> tuple[float, str]:
    """Return the seconds that faster-whisper took, and what it heard."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{kind} {path}\n")
    process.stdin.flush()
    seconds, _, text = process.stdout.readline().partition(" ")
    return float(seconds), str(json.loads(text)).strip()


def ask_gateway(client: httpx2.Client, path: Path) -> tuple[float, str]:
    """Return the seconds that the caller waited, upload included, and what was heard."""
    began = time.perf_counter()
    with path.open("rb") as audio:
        answer = client.post(
            "/v1/audio/transcriptions", files={"file": audio}, data={"model": "measured"}
        )
    seconds = time.perf_counter() - began
    return seconds, str(answer.raise_for_status().json()["text"])


def measure(
    client: httpx2.Client, process: subprocess.Popen[str], kind: str, path: Path
) -> dict[str, float]:
    """Return medians over rounds, and the median of the ratios within them."""
    pairs = []
    for number in range(-2, ROUNDS):
        both = ask_alone(process, kind, path), ask_gateway(client, path)
        if both[0][1] != both[1][1]:
            raise RuntimeError(f"heard differently: {both[0][1]!r} and {both[1][1]!r}")
        if number >= 0:
            pairs.append((both[0][0], both[1][0]))
    return {
        "alone_s": statistics.median(one for one, _ in pairs),
        "gateway_s": statistics.median(other for _, other in pairs),
        "ratio": statistics.median(other / one for one, other in pairs),
    }


def speech(client: httpx2.Client, path: Path, times: int) -> float:
    """Have the embedded voice speak into `path`; returns its length in seconds."""
    body = {"model": "starter-voice", "input": SENTENCES * times, "voice": "alloy"}
    answer = client.post("/v1/audio/speech", json=body | {"response_format": "wav"})
    path.write_bytes(answer.raise_for_status().content)
    return path.stat().st_size / 2 / 24_000


def table(seen: dict[str, dict[str, float]]) -> str:
    """Return the result as Markdown."""
    lines = [
        "| audio, s | faster-whisper alone, s | through the gateway, s | ratio |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {one['audio_s']:.0f} | {one['alone_s']:.3f} | {one['gateway_s']:.3f} "
        f"| {one['ratio']:.3f} |"
        for one in seen.values()
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.alone:
        transcribe_alone(chosen.alone)
        return
    card = CARD.format(model=chosen.model, threads=THREADS)
    seen: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name, served(Path(name), card) as (port, _, _):
        folder = Path(name)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client:
            lengths = {k: speech(client, folder / k, n) for k, n in LENGTHS.items()}
            with alone(chosen.model) as process:
                for kind, length in lengths.items():
                    seen[kind] = {"audio_s": length}
                    seen[kind] |= measure(client, process, kind, folder / kind)
    if chosen.json:
        chosen.json.write_text(json.dumps(seen, indent=1) + "\n", "utf-8")
    sys.stdout.write(table(seen) + "\n")


if __name__ == "__main__":
    main()
