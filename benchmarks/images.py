"""What pictures through the gateway cost: against the pipeline alone in a process of its own.

Usage: python -m benchmarks.images [--model FOLDER] [--rounds N] [--json FILE]

Both sides draw the same pictures of the same seeds with the same number of threads, taking turns,
and end with the bytes of a PNG of 512x512 pixels.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
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
from typing import IO, Any

from PIL import Image

from benchmarks.served import served
from localai.settings import builtin_cards_folder

FOLDER = builtin_cards_folder().parent / "image" / "starter-image"
PROMPT = "two red circles on a white background"
SIDE = 512
STEPS = 20
GUIDANCE = 3.0
CARD = """\
name: measured
backend: diffusers
model: {model}
options: {{steps: 20, guidance_scale: 3.0, size: 512x512, render_size: native}}
"""


def draw_alone(model: Path) -> None:
    """Draw a picture for each seed on standard input, and print its seconds and its bytes."""
    import diffusers
    import torch

    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        str(model), dtype=torch.float32, use_safetensors=True, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    for line in sys.stdin:
        began = time.perf_counter()
        image = pipeline(
            PROMPT,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(int(line)),
        ).images[0]
        file = io.BytesIO()
        image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(file, "PNG", compress_level=3)
        seconds = time.perf_counter() - began
        sys.stdout.write(f"{seconds} {base64.b64encode(file.getvalue()).decode()}\n")
        sys.stdout.flush()


class Alone:
    """The pipeline in a process of its own."""

    def __init__(self, to: IO[str], answers: IO[str]) -> None:
        self._to = to
        self._answers = answers

    def draw(self, seed: int) -> tuple[float, bytes]:
        """Return the seconds that a picture took, and the picture."""
        self._to.write(f"{seed}\n")
        self._to.flush()
        seconds, picture = self._answers.readline().split()
        return float(seconds), base64.b64decode(picture)


@contextmanager
def alone(model: Path, environ: dict[str, str]) -> Iterator[Alone]:
    """Start the pipeline in a process of its own; it ends with the block."""
    command = [sys.executable, "-m", "benchmarks.images", "--alone", "--model", str(model)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Alone(process.stdin, process.stdout)
        process.stdin.close()


class Gateway:
    """The same through the gateway, over HTTP."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def draw(self, seed: int) -> tuple[float, bytes]:
        """Return the seconds that a picture took, and the picture."""
        body = {"model": "measured", "prompt": PROMPT, "seed": seed, "response_format": "b64_json"}
        began = time.perf_counter()
        self._connection.request("POST", "/v1/images/generations", json.dumps(body))
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return time.perf_counter() - began, base64.b64decode(answer["data"][0]["b64_json"])


def measure(one: Alone, other: Gateway, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each side; fails where they do not draw the same."""
    one.draw(0)
    other.draw(0)
    seen: dict[str, list[float]] = {"alone": [], "gateway": []}
    for seed in range(rounds):
        turns = [("alone", one.draw), ("gateway", other.draw)]
        pictures = []
        for name, draw in turns if seed % 2 else reversed(turns):
            seconds, picture = draw(seed)
            seen[name].append(seconds)
            pictures.append(picture)
        assert pictures[0] == pictures[1], f"the pictures of seed {seed} differ"
    return seen


def table(seen: dict[str, list[float]], threads: str) -> str:
    """Return the result as Markdown."""
    own, through = (statistics.median(seen[name]) for name in ("alone", "gateway"))
    ratios = [b / a for a, b in zip(seen["alone"], seen["gateway"], strict=True)]
    return "\n".join(
        [
            "| figure | pipeline alone | through the gateway | ratio |",
            "|---|---|---|---|",
            f"| a picture of {STEPS} steps, s | {own:.3f} | {through:.3f} | {through / own:.2f} |",
            "",
            f"{len(ratios)} pictures, threads: {threads}, the same bytes on both sides; median of "
            f"the ratios of the pairs: {statistics.median(ratios):.2f}",
        ]
    )


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=FOLDER, help="folder of the pipeline")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.alone:
        draw_alone(chosen.model)
        return
    threads = os.environ.setdefault("OMP_NUM_THREADS", "1")
    card = CARD.format(model=chosen.model.absolute())
    environ = os.environ | {"HF_HUB_OFFLINE": "1"}
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), card) as (port, _, _),
        alone(chosen.model, environ) as one,
    ):
        seen = measure(one, Gateway(port), chosen.rounds)
    if chosen.json:
        chosen.json.write_text(json.dumps(seen, indent=1) + "\n", "utf-8")
    sys.stdout.write(table(seen, threads) + "\n")


if __name__ == "__main__":
    main()
