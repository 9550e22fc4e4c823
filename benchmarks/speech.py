"""What speech through the gateway costs: against Piper and the same encoder in one process.

Usage: python -m benchmarks.speech [--model VOICE.onnx] [--rounds N] [--json FILE]

Both sides say the same text with the same voice, taking turns. A paragraph is timed to its last
byte, a long text to its first.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from piper import PiperVoice, SynthesisConfig

from benchmarks.served import served
from localai.settings import builtin_cards_folder
from localai.worker.audio_encoding import SAMPLE_RATE, create_encoder, encode_all
from localai.worker.results import Sound

VOICE = builtin_cards_folder().parent / "voice" / "starter-voice.onnx"
SENTENCES = (
    "The morning was bright and cold.",
    "A small boat lay by the old bridge, and nobody had seen who left it there.",
    "Two children came down the road and looked at it for a while.",
    "Then they called their mother, because they wanted to know whose it was!",
    "She did not know either.",
)
PARAGRAPH = " ".join(SENTENCES)
LONG = " ".join([PARAGRAPH] * 4)
SILENCE = 0.2
PAUSE = 0.3
IN_A_ROW = 5
Timed = Callable[[], float]


class Direct:
    """Piper called in this process, its sentences encoded as ours are."""

    def __init__(self, model: Path) -> None:
        self._voice = PiperVoice.load(model)

    def whole(self, text: str, name: str) -> float:
        """Return the seconds until all of `text` is encoded."""
        began = time.perf_counter()
        if name == "wav":
            encode_all(list(self._sounds(text)), name, SAMPLE_RATE)
        else:
            encoder = create_encoder(name, SAMPLE_RATE)
            b"".join([*map(encoder.feed, self._sounds(text)), encoder.finish()])
        return time.perf_counter() - began

    def first(self, text: str) -> float:
        """Return the seconds until the first sentence of `text` is encoded as MP3."""
        began = time.perf_counter()
        create_encoder("mp3", SAMPLE_RATE).feed(next(self._sounds(text)))
        return time.perf_counter() - began

    def _sounds(self, text: str) -> Iterator[Sound]:
        settings = SynthesisConfig(speaker_id=0)
        for number, chunk in enumerate(self._voice.synthesize(text, settings)):
            pause = b"\0\0" * round(SILENCE * chunk.sample_rate) if number else b""
            yield Sound(pause + chunk.audio_int16_bytes, chunk.sample_rate)


class Gateway:
    """The same through the gateway, over HTTP."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def whole(self, text: str, name: str) -> float:
        """Return the seconds until the last byte is here."""
        began = time.perf_counter()
        self._ask(text, name).read()
        return time.perf_counter() - began

    def first(self, text: str) -> float:
        """Return the seconds until the first byte is here."""
        began = time.perf_counter()
        answer = self._ask(text, "mp3")
        answer.read(1)
        seconds = time.perf_counter() - began
        answer.read()  # the next call must not compete with the rest of this one
        return seconds

    def _ask(self, text: str, name: str) -> http.client.HTTPResponse:
        body = json.dumps({"model": "voice", "input": text, "response_format": name})
        headers = {"content-type": "application/json"}
        self._connection.request("POST", "/v1/audio/speech", body, headers)
        answer = self._connection.getresponse()
        if answer.status != 200:
            sys.exit(f"the gateway answered {answer.status}: {answer.read().decode()}")
        return answer


def measure(direct: Direct, gateway: Gateway, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return the pairs of seconds, direct and through the gateway, of each figure."""
    figures: dict[str, tuple[Timed, Timed]] = {
        f"paragraph as {name}, ms": (
            partial(direct.whole, PARAGRAPH, name),
            partial(gateway.whole, PARAGRAPH, name),
        )
        for name in ("mp3", "wav")
    }
    first = "first byte of a long text, ms"
    figures[first] = (partial(direct.first, LONG), partial(gateway.first, LONG))
    seen: dict[str, list[tuple[float, float]]] = {title: [] for title in figures}
    for number in range(rounds + 1):
        for title, (alone, through) in figures.items():
            order = (alone, through) if number % 2 else (through, alone)
            taken = {one: _turn(one) for one in order}
            if number:  # the first round warms both sides up
                seen[title].append((taken[alone], taken[through]))
    return seen


def _turn(timed: Timed) -> float:
    """Return the median of a few calls in a row, of which the first, not counted, wakes all up."""
    # The library's threads spin for a while after their work, and would take a core from ours.
    time.sleep(PAUSE)
    timed()
    return statistics.median(timed() for _ in range(IN_A_ROW))


def table(seen: dict[str, list[tuple[float, float]]]) -> str:
    """Return the result as Markdown."""
    lines = ["| figure | Piper alone | through the gateway | ratio |", "|---|---|---|---|"]
    for title, pairs in seen.items():
        alone, through = (1000 * statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(two / one for one, two in pairs)
        lines.append(f"| {title} | {alone:.1f} | {through:.1f} | {ratio:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=VOICE)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="also write all pairs to this file")
    chosen = parser.parse_args()
    card = f"name: voice\nbackend: piper\nmodel: {chosen.model.resolve()}\nkeep_alive: -1\n"
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), card) as (port, _, _):
        seen = measure(Direct(chosen.model), Gateway(port), chosen.rounds)
    if chosen.json:
        chosen.json.write_text(json.dumps(seen, indent=1) + "\n", "utf-8")
    sys.stdout.write(table(seen) + "\n")


if __name__ == "__main__":
    main()
