"""What echo hears: the words of the prompt, else of a file of text, one after another."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from localai.protocol.audio import TranscriptionRequest
from localai.worker.results import AudioInfo, Segment, SpeechSpan, Transcribed, Word

from .triggers import Triggers, split_triggers

HEARD_PARAMETERS = frozenset(
    {"language", "languages", "prompt", "keywords", "temperature", "include", "chunking_strategy"}
)
WORD_SECONDS = 0.5
"""How long each word is taken to last."""
_MOST_TEXT = 4096
_LOUD = 0.01
_RATE = 16_000
_BLOCK = _RATE // 100


async def hear(
    request: TranscriptionRequest, base: Triggers
) -> AsyncGenerator[AudioInfo | Segment | Transcribed, None]:
    """Yield each word as a segment; triggers come with the prompt."""
    prompt, triggers = split_triggers(request.prompt or "", base)
    words = _words(prompt or _text_of(Path(request.file)), triggers.words)
    await asyncio.sleep(triggers.delay)
    triggers.strike("before")
    yield AudioInfo(request.language or "en", len(words) * WORD_SECONDS)
    for number, word in enumerate(words):
        if number:
            await asyncio.sleep(triggers.slow)
        yield _segment(number, word, with_logprobs=request.wants_logprobs())
        if number == min(2, len(words) - 1):
            triggers.strike("mid")
    yield Transcribed(len(words) * WORD_SECONDS, len(words), len(prompt.split()), len(words))


def loud_spans(samples: list[float]) -> list[SpeechSpan]:
    """Return the stretches of whole 10 ms in which something can be heard."""
    loud = [max(map(abs, samples[i : i + _BLOCK])) > _LOUD for i in range(0, len(samples), _BLOCK)]
    spans, at = [], 0
    for is_loud, run in itertools.groupby(loud):
        length = len(list(run))
        if is_loud:
            end = min((at + length) * _BLOCK, len(samples))
            spans.append(SpeechSpan(at * _BLOCK / _RATE, end / _RATE))
        at += length
    return spans


def _text_of(file: Path) -> str:
    with file.open("rb") as opened:
        head = opened.read(_MOST_TEXT)
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return "echo"
    return text if text.strip() and text.isprintable() else "echo"


def _words(text: str, count: int | None) -> list[str]:
    once = text.split()
    return once if count is None else list(itertools.islice(itertools.cycle(once), count))


def _segment(number: int, word: str, *, with_logprobs: bool) -> Segment:
    start, end = number * WORD_SECONDS, (number + 1) * WORD_SECONDS
    text = f" {word}"
    entry: dict[str, Any] = {"token": text, "logprob": 0.0, "bytes": list(text.encode())}
    return Segment(
        id=number,
        start=start,
        end=end,
        text=text,
        seek=round(start * 100),
        tokens=[number],
        words=[Word(text, start, end)],
        logprobs=[entry] if with_logprobs else None,
    )
