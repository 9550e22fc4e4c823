"""One text that is being written: its sequence, its sampler and its state."""

from __future__ import annotations

from typing import Any

from backends.llama_cpp.engine.media import Span
from backends.llama_cpp.engine.requests import AnswerStream, Generation
from backends.llama_cpp.logprobs import HeldEntries
from backends.llama_cpp.sampling import Sampler
from backends.llama_cpp.slots import Slot
from backends.llama_cpp.text import TextStream
from localai.protocol.events import FinishReason, TextDelta


class Run:
    """A generation that holds a slot, from its admission to its end."""

    def __init__(
        self, generation: Generation, stream: AnswerStream, slot: Slot, vocabulary_size: int
    ) -> None:
        self.generation = generation
        self.stream = stream
        self.slot = slot
        self.next_token: int | None = None
        """The token chosen last, which the next step decodes; None while the prompt is read."""
        self.written = 0
        """Tokens chosen so far."""
        self.leader: Run | None = None
        """The run that reads the same prompt, while this one waits to copy its cache."""
        self.shift = 0
        """By how much the next token's position lags behind the number of tokens (M-RoPE)."""
        said = generation.prompt[generation.prompt >= 0]
        self.sampler = Sampler(generation.sampling, vocabulary_size, said)
        self._text = TextStream(generation.stops)
        self._entries = HeldEntries()

    def prompt_left(self) -> int:
        """Return how many tokens of the prompt are still to be decoded."""
        return max(0, len(self.generation.prompt) - self.slot.length)

    def text_left(self) -> int:
        """Return how many tokens may be decoded before the prompt's end or its next span."""
        here = self.slot.length
        ahead = [start - here for start in self.generation.spans if start >= here]
        return min([self.prompt_left(), *ahead])

    def span_here(self) -> Span | None:
        """Return the span that the prompt goes on with, None where it goes on with text."""
        return self.generation.spans.get(self.slot.length)

    def write(self, token: int, piece: bytes, entry: dict[str, Any] | None) -> TextDelta | None:
        """Take the token that was chosen; returns what may be sent now."""
        self.next_token = token
        self.written += 1
        text = self._text.feed(piece)
        if entry is not None:
            self._entries.add(entry)
        return self._delta(text)

    def flush(self) -> TextDelta | None:
        """Return what was held back, when the answer is complete."""
        return self._delta(self._text.flush())

    def finish_reason(self, capacity: int) -> FinishReason | None:
        """Return why the answer is complete, None while it is not."""
        if self._text.stopped:
            return "stop"
        limit = self.generation.limit
        if limit is not None and self.written >= limit:
            return "length"
        is_full = len(self.generation.prompt) + self.written >= capacity
        return "length" if is_full else None

    def _delta(self, text: str) -> TextDelta | None:
        if not text:
            return None
        if self.generation.top_logprobs is None:
            return TextDelta(text, self.generation.index)
        return TextDelta(text, self.generation.index, self._entries.release(text))
