"""The steps: who gets a sequence, what is computed, and what each new token leads to."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.llama_cpp.engine.batch import Batch
from backends.llama_cpp.engine.context import Context
from backends.llama_cpp.engine.media import Projector, Span
from backends.llama_cpp.engine.requests import AnswerStream, Generation, Item, Tally
from backends.llama_cpp.engine.run import Run
from backends.llama_cpp.engine.schedule import Chunk, plan_step
from backends.llama_cpp.engine.vocabulary import Vocabulary
from backends.llama_cpp.logprobs import logprob_entry
from backends.llama_cpp.slots import Slots
from localai.errors import EngineFailed, LocalAIError
from localai.protocol.events import Finished, FinishReason

log = logging.getLogger(__name__)

_NO_ROOM_IN_CACHE = 1
"""llama_decode's answer when the caches have no place for the batch; nothing has changed then."""
_NO_PROMPT = np.zeros(0, np.int32)


@dataclass(slots=True)
class Counters:
    """What the engine has done since it started."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    predicted_tokens: int = 0
    decode_steps: int = 0
    cancelled: int = 0
    failed: int = 0


class Stepper:
    """All answers of one context, for one thread; what they say gathers in `outbox`."""

    def __init__(
        self,
        context: Context,
        vocabulary: Vocabulary,
        *,
        prompt_chunk: int,
        projector: Projector | None = None,
    ) -> None:
        self.counters = Counters()
        self.outbox: list[tuple[AnswerStream, Item]] = []
        self.slots = Slots(context.sequences, context.capacity)
        self.running: list[Run] = []
        self.waiting: deque[tuple[AnswerStream, Generation]] = deque()
        self._context = context
        self._vocabulary = vocabulary
        self._prompt_chunk = prompt_chunk
        self._projector = projector
        self._batch = Batch(context.batch_size)
        self._tallies: dict[AnswerStream, Tally] = {}

    def is_idle(self) -> bool:
        """Tell whether there is nothing to compute."""
        return not self.running and not self.waiting

    def add(self, stream: AnswerStream) -> None:
        """Queue the texts that `stream` asks for."""
        self._tallies[stream] = Tally(len(stream.generations))
        self.waiting.extend((stream, generation) for generation in stream.generations)

    def cancel(self, stream: AnswerStream) -> None:
        """Free what `stream` holds, if it has not ended."""
        if stream in self._tallies:
            self.counters.cancelled += 1
            self._forget(stream)

    def fail_all(self, error: LocalAIError) -> None:
        """End every answer with `error` and forget all that the caches hold."""
        for stream in list(self._tallies):
            self._fail(stream, error)
        for slot in self.slots:
            self._context.clear(slot.number)
            slot.truncate(0)

    def step(self, before_decode: Callable[[], None]) -> None:
        """Compute one batch, and choose the next token wherever it gave logits.

        `before_decode` is called right before each long computation.
        """
        self._admit()
        self._read_span(before_decode)
        for chunk, row in self._decode(before_decode):
            run = chunk.run
            chooses = run.next_token is not None or chunk.ends_prompt
            self._note_decoded(chunk)
            if chooses:
                self._start_followers(run, row)
                self._write_token(run, row)

    def _admit(self) -> None:
        """Give free slots to those who wait, in the order of their arrival."""
        while self.waiting:
            stream, generation = self.waiting[0]
            leader = self._leader_for(generation)
            taken = self.slots.take(_NO_PROMPT if leader else generation.prompt)
            if taken is None:
                return
            self.waiting.popleft()
            slot, held = taken
            shared = self._sharable(generation, held)
            slot.truncate(self._context.keep(slot.number, shared))
            run = Run(generation, stream, slot, self._vocabulary.size)
            run.leader = leader
            self.running.append(run)
            self._count_prompt(run)

    def _sharable(self, generation: Generation, held: int) -> int:
        """Return how many of `held` tokens may be kept: a picture is kept whole or not at all."""
        spans = generation.spans
        if not spans:
            return held
        if self._projector is not None and self._projector.turns_positions:
            return min(held, *spans)  # behind the first, positions are no longer numbers of tokens
        cut = [start for start, span in spans.items() if start < held < start + span.count]
        return min([held, *cut])

    def _read_span(self, before_decode: Callable[[], None]) -> None:
        """Decode one picture or recording, of the first run that waits for it to be read."""
        for run in self.running:
            span = run.span_here() if run.next_token is None and run.leader is None else None
            if span is None:
                continue
            slot = run.slot
            before_decode()
            code = self._decode_span(run, span)
            if code:
                message = f"llama.cpp could not read a picture or recording (code {code})."
                self._fail_chunks([Chunk(run, span.count, False)], message)
                return
            slot.append(span.tokens, span.count)
            run.shift += span.count - span.positions
            self.counters.prompt_tokens += span.count
            return

    def _decode_span(self, run: Run, span: Span) -> int:
        assert self._projector is not None
        position = run.slot.length - run.shift
        return self._context.decode_span(self._projector, span, run.slot.number, position)

    def _leader_for(self, generation: Generation) -> Run | None:
        """Return the run that reads the very same prompt, for a further choice of one request."""
        for run in self.running:
            is_reading = run.next_token is None and run.leader is None
            if is_reading and run.generation.prompt is generation.prompt:
                return run
        return None

    def _count_prompt(self, run: Run) -> None:
        """Count a prompt once for a request, however many choices are made from it."""
        tally, prompt = self._tallies[run.stream], run.generation.prompt
        if id(prompt) not in tally.prompts_seen:
            tally.prompts_seen.add(id(prompt))
            tally.prompt_tokens += len(prompt)
            tally.cached_tokens += run.slot.length
            self.counters.cached_tokens += run.slot.length

    def _decode(self, before_decode: Callable[[], None]) -> list[tuple[Chunk, int]]:
        """Compute one batch; returns its chunks, each with the row of its last token."""
        room = self._batch.capacity
        while self.running:
            chunks = plan_step(self.running, room, self._prompt_chunk)
            if not chunks:
                break  # all that is left of the prompts begins with a picture
            rows = self._fill_batch(chunks)
            before_decode()
            code = self._context.decode(self._batch)
            self.counters.decode_steps += 1
            if code == 0:
                return list(zip(chunks, rows, strict=True))
            room = self._make_room(code, chunks)
        return []

    def _fill_batch(self, chunks: Iterable[Chunk]) -> list[int]:
        self._batch.clear()
        return [self._add_to_batch(chunk) for chunk in chunks]

    def _add_to_batch(self, chunk: Chunk) -> int:
        run, slot = chunk.run, chunk.run.slot
        if run.next_token is not None:
            return self._batch.add_token(slot.number, slot.length - run.shift, run.next_token)
        tokens = run.generation.prompt[slot.length : slot.length + chunk.count]
        return self._batch.add_tokens(
            slot.number, slot.length - run.shift, tokens, wants_logits=chunk.ends_prompt
        )

    def _make_room(self, code: int, chunks: Sequence[Chunk]) -> int:
        """Handle a batch that was refused; returns how many tokens the next try may have."""
        size = sum(chunk.count for chunk in chunks)
        log.warning("llama_decode returned %d for %d tokens", code, size)
        if code != _NO_ROOM_IN_CACHE:
            self._fail_chunks(chunks, f"llama.cpp could not compute a step (code {code}).")
            return self._batch.capacity
        if size > 1:
            return size // 2
        self._fail_chunks(chunks, "The context's memory has no room for another token.")
        return self._batch.capacity

    def _fail_chunks(self, chunks: Sequence[Chunk], message: str) -> None:
        for chunk in chunks:
            # What of the batch was computed before it failed is unknown.
            self._context.clear(chunk.run.slot.number)
            chunk.run.slot.truncate(0)
            self._fail(chunk.run.stream, EngineFailed(message))

    def _note_decoded(self, chunk: Chunk) -> None:
        run, slot = chunk.run, chunk.run.slot
        if run.next_token is not None:
            slot.append(run.next_token)
            return
        self.counters.prompt_tokens += chunk.count
        slot.append(run.generation.prompt[slot.length : slot.length + chunk.count], chunk.count)

    def _start_followers(self, leader: Run, row: int) -> None:
        """Let the choices that waited for `leader` copy its prompt and choose their own token."""
        for run in [run for run in self.running if run.leader is leader]:
            run.leader, run.shift = None, leader.shift
            self._context.copy(leader.slot.number, run.slot.number)
            run.slot.append(leader.slot.tokens, leader.slot.length)
            self._write_token(run, row)

    def _write_token(self, run: Run, row: int) -> None:
        """Choose the next token of `run` from the logits in `row`."""
        token = run.sampler.sample(self._context.handle, row)
        self.counters.predicted_tokens += 1
        if self._vocabulary.ends(token):
            run.written += 1
            self._finish(run, "stop")
            return
        delta = run.write(token, self._vocabulary.piece(token), self._entry(run, token, row))
        if delta is not None:
            self._send(run.stream, delta)
        reason = run.finish_reason(self._context.capacity)
        if reason is not None:
            self._finish(run, reason)

    def _entry(self, run: Run, token: int, row: int) -> dict[str, Any] | None:
        top = run.generation.top_logprobs
        if top is None:
            return None
        return logprob_entry(self._context.logits(row), token, top, self._vocabulary.piece)

    def _finish(self, run: Run, reason: FinishReason) -> None:
        delta = run.flush()
        if delta is not None:
            self._send(run.stream, delta)
        self._send(run.stream, Finished(reason, run.generation.index))
        self._release(run)
        tally = self._tallies[run.stream]
        tally.completion_tokens += run.written
        tally.open_choices -= 1
        if not tally.open_choices:
            self._send(run.stream, tally.usage())
            del self._tallies[run.stream]

    def _fail(self, stream: AnswerStream, error: LocalAIError) -> None:
        if stream in self._tallies:
            self.counters.failed += 1
            self._send(stream, error)
            self._forget(stream)

    def _forget(self, stream: AnswerStream) -> None:
        del self._tallies[stream]
        self.waiting = deque(entry for entry in self.waiting if entry[0] is not stream)
        for run in [run for run in self.running if run.stream is stream]:
            self._release(run)

    def _release(self, run: Run) -> None:
        self.running.remove(run)
        self.slots.give_back(run.slot)
        run.sampler.close()
        for follower in self.running:
            if follower.leader is run:
                follower.leader = None

    def _send(self, stream: AnswerStream, item: Item) -> None:
        self.outbox.append((stream, item))
