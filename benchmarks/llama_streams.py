"""Output tokens a second through the gateway beside llama-server, at 1, 4 and 8 streams.

    python -m benchmarks.llama_streams --llama-server PATH [--model FILE] [--url URL] [--json FILE]

Both sides get the same file, threads, prompts and sampling, and take turns in the same run, so that
the ratio means something on a noisy machine. `--url http://127.0.0.1:8080 --name NAME` measures a
running gateway instead of a new one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import socket
import statistics
import string
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.random_gguf import END_OF_TEXT, HALF_BILLION, MESSAGE_END, write_random_gguf
from benchmarks.served import served

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "benchmarks" / "models" / "half-billion.gguf"
OURS = "through the gateway"
BASELINE = "llama-server"
START_SECONDS = 120
_TEXT = re.compile(rb'"content":"[^"]')
SAMPLING = {"temperature": 0.7, "top_k": 40, "top_p": 0.95, "min_p": 0.05}


@dataclass(frozen=True, slots=True)
class Server:
    """Where one side listens."""

    title: str
    address: tuple[str, int]
    model: str


@dataclass(frozen=True, slots=True)
class Load:
    """What every stream asks for."""

    prompt_words: int
    tokens: int
    banned: Sequence[int]


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one side."""

    tokens_per_second: float
    first_token_ms: float
    """Median over the streams."""
    gap_ms: float
    """Median time between two tokens of one stream."""


class _Reader(asyncio.Protocol):
    """Sends one request and keeps what comes back; parsing waits until the clock has stopped."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.parts: list[bytes] = []
        self.times: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        self.times.append(time.perf_counter())
        if b"[DONE]" in data:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def first_token_time(self) -> float:
        """Return when the first text came."""
        pairs = zip(self.times, self.parts, strict=True)
        return next((at for at, part in pairs if _TEXT.search(part)), self.times[-1])


async def run_streams(server: Server, load: Load, streams: int, seed: int) -> Measured:
    """Run `streams` requests at once and measure them together."""
    seeds = [seed * 10_000 + streams * 100 + number for number in range(streams)]
    requests = [_request(server, load, one) for one in seeds]
    start = time.perf_counter()
    readers = [await _open(server, request) for request in requests]
    await asyncio.gather(*(reader.done for reader in readers))
    seconds = max(reader.times[-1] for reader in readers) - start
    tokens = [_completion_tokens(server, b"".join(reader.parts)) for reader in readers]
    if set(tokens) != {load.tokens}:
        sys.exit(f"{server.title}: answers of {tokens} tokens, {load.tokens} wanted: use --ban")
    firsts = [reader.first_token_time() for reader in readers]
    spans = [reader.times[-1] - at for reader, at in zip(readers, firsts, strict=True)]
    return Measured(
        tokens_per_second=sum(tokens) / seconds,
        first_token_ms=1000 * (statistics.median(firsts) - start),
        gap_ms=1000 * statistics.median(spans) / (load.tokens - 1),
    )


async def _open(server: Server, request: bytes) -> _Reader:
    _, reader = await asyncio.get_running_loop().create_connection(
        lambda: _Reader(request), *server.address
    )
    return reader


def _request(server: Server, load: Load, seed: int) -> bytes:
    """Return a chat request with a prompt that nobody has asked before: no cache helps."""
    letters = random.Random(seed).choices(string.ascii_lowercase, k=2 * load.prompt_words)
    words = ["".join(pair) for pair in zip(letters[::2], letters[1::2], strict=True)]
    body = json.dumps(
        {
            "model": server.model,
            "messages": [{"role": "user", "content": " ".join(words)}],
            "max_tokens": load.tokens,
            "logit_bias": {str(token): -100 for token in load.banned},
            "seed": seed,
            "stream": True,
            "stream_options": {"include_usage": True},
            **SAMPLING,
        }
    ).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: benchmark\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _completion_tokens(server: Server, answer: bytes) -> int:
    marker = answer.rfind(b'"completion_tokens":')
    if marker < 0:
        sys.exit(f"{server.title} answered: {answer[:2000].decode(errors='replace')}")
    digits = answer[marker + 20 : marker + 30]
    return int(digits.split(b",")[0].split(b"}")[0])


@contextmanager
def started_gateway(
    model: Path, streams: int, threads: int, options: dict[str, object]
) -> Iterator[Server]:
    """Start the gateway with a card for `model`."""
    card = {
        "name": "model",
        "backend": "llama_cpp",
        "model": str(model),
        "keep_alive": -1,
        "limits": {"max_concurrent": streams, "context": 1024},
        "options": {"n_threads": threads, **options},
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), json.dumps(card)) as (port, _, _),
    ):
        yield Server(OURS, ("127.0.0.1", port), "model")


@asynccontextmanager
async def started_llama_server(
    binary: str, model: Path, streams: int, threads: int
) -> AsyncIterator[Server]:
    """Start llama-server on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    server = Server(BASELINE, ("127.0.0.1", port), "model")
    command = [
        binary, "-m", str(model), "-t", str(threads), "-tb", str(threads),
        "-c", str(1024 * streams), "-np", str(streams), "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    async with _running(command, server):
        yield server


@asynccontextmanager
async def _running(command: list[str], server: Server) -> AsyncIterator[None]:
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=quiet, stderr=quiet)
    try:
        await _until_healthy(server, process)
        yield
    finally:
        process.terminate()
        await process.wait()


async def _until_healthy(server: Server, process: asyncio.subprocess.Process) -> None:
    request = b"GET /health HTTP/1.1\r\nhost: benchmark\r\nconnection: close\r\n\r\n"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.returncode is None:
        try:
            reader = await _open(server, request)
            await reader.done
        except OSError:
            await asyncio.sleep(0.05)
            continue
        if b" 200 " in b"".join(reader.parts)[:20]:
            return
        await asyncio.sleep(0.05)
    sys.exit(f"{server.title} does not start")


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rounds at one number of streams, by the server's title."""

    streams: int
    rounds: dict[str, list[Measured]]

    def median(self, title: str, figure: str) -> float:
        """Return the median of one figure of one side."""
        values = [float(getattr(measured, figure)) for measured in self.rounds[title]]
        return statistics.median(values)

    def ratios(self) -> list[float]:
        """Return our tokens a second over the baseline's, round by round."""
        if BASELINE not in self.rounds:
            return []
        ours = next(rounds for title, rounds in self.rounds.items() if title != BASELINE)
        pairs = zip(ours, self.rounds[BASELINE], strict=True)
        return [mine.tokens_per_second / theirs.tokens_per_second for mine, theirs in pairs]

    def to_json(self) -> dict[str, object]:
        """Return everything, for the page of benchmarks."""
        rounds = {title: list(map(asdict, measured)) for title, measured in self.rounds.items()}
        ratios = self.ratios()
        ratio = statistics.median(ratios) if ratios else None
        return {"streams": self.streams, "rounds": rounds, "ratios": ratios, "ratio": ratio}


async def compare(
    servers: Sequence[Server], load: Load, counts: Sequence[int], rounds: int
) -> list[Comparison]:
    """Measure all servers in turn, each round in the other order than the one before."""
    for server in servers:
        await run_streams(server, load, 1, seed=0)
    comparisons = [Comparison(count, {server.title: [] for server in servers}) for count in counts]
    for number in range(1, rounds + 1):
        for comparison in comparisons:
            for server in servers if number % 2 else reversed(servers):
                measured = await run_streams(server, load, comparison.streams, seed=number)
                comparison.rounds[server.title].append(measured)
    return comparisons


def table(comparisons: Sequence[Comparison]) -> str:
    """Return the medians, and the ratio with its range, as Markdown."""
    lines = [
        "| streams | server | output tokens/s | first token, ms | gap, ms | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for comparison in comparisons:
        for title in comparison.rounds:
            rate = comparison.median(title, "tokens_per_second")
            first = comparison.median(title, "first_token_ms")
            gap = comparison.median(title, "gap_ms")
            ratio = "" if title == BASELINE else _ratio_text(comparison.ratios())
            figures = f"{rate:.1f} | {first:.0f} | {gap:.1f}"
            lines.append(f"| {comparison.streams} | {title} | {figures} | {ratio} |")
    return "\n".join(lines) + "\n"


def _ratio_text(ratios: Sequence[float]) -> str:
    if not ratios:
        return ""
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


async def run(arguments: argparse.Namespace) -> list[Comparison]:
    """Start what is not running yet and compare."""
    load = Load(arguments.prompt_words, arguments.tokens, arguments.ban)
    most, threads = max(arguments.streams), arguments.threads
    async with AsyncExitStack() as stack:
        if arguments.url:
            ours = _server_at(arguments.url, arguments.name)
        else:
            gateway = started_gateway(arguments.model, most, threads, arguments.options)
            ours = stack.enter_context(gateway)
        servers = [ours]
        if arguments.llama_server:
            baseline = started_llama_server(arguments.llama_server, arguments.model, most, threads)
            servers.append(await stack.enter_async_context(baseline))
        return await compare(servers, load, arguments.streams, arguments.rounds)


def _server_at(url: str, name: str) -> Server:
    parts = urlsplit(url)
    return Server(OURS, (parts.hostname or "127.0.0.1", parts.port or 80), name)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--llama-server", default=os.environ.get("LLAMA_SERVER"))
    parser.add_argument("--model", type=Path, default=MODEL, help="made if it is the default")
    parser.add_argument("--url", help="a running gateway, http://HOST:PORT")
    parser.add_argument("--name", default="model", help="the model's name behind --url")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=128, help="of each answer")
    parser.add_argument("--prompt-words", type=int, default=20, help="two letters each")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--ban", type=int, nargs="*", default=[END_OF_TEXT, MESSAGE_END],
                        help="token ids that would end an answer early")  # fmt: skip
    parser.add_argument("--options", type=json.loads, default={}, help="of the card, as JSON")
    parser.add_argument("--json", type=Path, help="write all rounds here")
    return parser.parse_args()


def main() -> None:
    """Compare, print the table and write the file."""
    arguments = parse_arguments()
    if arguments.model == MODEL and not MODEL.exists():
        MODEL.parent.mkdir(parents=True, exist_ok=True)
        write_random_gguf(MODEL, HALF_BILLION)
    comparisons = asyncio.run(run(arguments))
    sys.stdout.write(table(comparisons))
    if arguments.json:
        setting = {"model": arguments.model.name, "threads": arguments.threads}
        setting |= {
            "tokens": arguments.tokens,
            "sampling": SAMPLING,
            "machine": platform.platform(),
        }
        results = [comparison.to_json() for comparison in comparisons]
        arguments.json.write_text(json.dumps({"setting": setting, "results": results}, indent=1))


if __name__ == "__main__":
    main()
