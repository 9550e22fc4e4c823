"""What a backend yields while it answers; the worker host turns these into OpenAI's shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of choice `index`; `logprobs` are OpenAI's entries for these tokens."""

    text: str
    index: int = 0
    logprobs: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of tool call number `call` of choice `index`; `id` and `name` come with the first."""

    call: int
    arguments: str
    id: str | None = None
    name: str | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """Choice `index` is complete."""

    reason: FinishReason
    index: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of the whole request, yielded once, last."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0

    def to_wire(self) -> dict[str, Any]:
        """Return OpenAI's `CompletionUsage` with both details."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


Event = TextDelta | ToolCallDelta | Finished | Usage
