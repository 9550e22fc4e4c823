"""What the next step computes: a token of every answer, and pieces of prompts behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backends.llama_cpp.engine.run import Run


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens of one run: the one it chose last, or the next `count` of its prompt."""

    run: Run
    count: int
    ends_prompt: bool


def plan_step(runs: Iterable[Run], room: int, prompt_room: int) -> list[Chunk]:
    """Return the chunks of one step, `room` tokens at most.

    Running answers come first, so that no stream waits for somebody's long prompt. Prompts share
    what is left in the order of arrival, beside running answers `prompt_room` tokens at most.
    """
    runs = list(runs)
    writing = [run for run in runs if run.next_token is not None]
    # Separate buffers are computed together only where their numbers follow each other.
    writing.sort(key=lambda run: run.slot.number)
    chunks = [Chunk(run, 1, False) for run in writing[:room]]
    room -= len(chunks)
    chunks += _prompt_chunks(runs, min(room, prompt_room) if chunks else room)
    return chunks


def _prompt_chunks(runs: Iterable[Run], room: int) -> Iterator[Chunk]:
    for run in runs:
        if run.next_token is not None or run.leader is not None:
            continue
        if room <= 0:
            return
        count = min(run.text_left(), room)
        room -= count
        if count:
            yield Chunk(run, count, count == run.prompt_left())
