"""Backend events in OpenAI's shapes: one object, or a stream of chunks.

Source: OpenAI's specification, `CreateChatCompletionResponse`, `CreateChatCompletionStreamResponse`
and `CreateCompletionResponse`.
"""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from starlette.responses import Response

from localai.errors import LocalAIError
from localai.protocol import sse
from localai.protocol.asgi import json_response
from localai.protocol.events import Event, Finished, TextDelta, ToolCallDelta, Usage

Json = dict[str, Any]


class Shape(ABC):
    """Collects one answer's events, or turns each into chunks as it comes."""

    id_prefix: ClassVar[str]
    object_name: ClassVar[str]
    chunk_name: ClassVar[str]
    stream_type = sse.CONTENT_TYPE

    def __init__(self, model: str, *, with_usage: bool) -> None:
        self.model = model
        self.id = self.id_prefix + secrets.token_urlsafe(18)
        self.created = int(time.time())
        self.with_usage = with_usage

    async def pieces(self, event: Event) -> bytes:
        """Return the frames that `event` makes."""
        return b"".join(map(sse.data_frame, self.chunks(event)))

    async def whole(self) -> Response:
        """Return the collected answer."""
        return json_response(self.answer())

    async def ending(self) -> bytes:
        """Return the frame that ends a complete stream."""
        return sse.DONE

    def failure(self, error: LocalAIError) -> bytes:
        """Return the frame that ends a failed stream."""
        return sse.error_frame(error)

    def chunks(self, event: Event) -> list[Json]:
        """Return the stream chunks that `event` makes, none for usage that nobody asked for."""
        if isinstance(event, Usage):
            if not self.with_usage:
                return []
            return [self._envelope(self.chunk_name, [], usage=event.to_wire())]
        return [self._chunk(choice) for choice in self.choice_chunks(event)]

    @abstractmethod
    def choice_chunks(self, event: TextDelta | ToolCallDelta | Finished) -> list[Json]:
        """Return the `choices` entries for `event`, each to be sent in a chunk of its own."""

    @abstractmethod
    def collect(self, event: Event) -> None:
        """Add `event` to the answer."""

    @abstractmethod
    def answer(self) -> Json:
        """Return the whole answer in one object."""

    def _chunk(self, choice: Json) -> Json:
        extra = {"usage": None} if self.with_usage else {}
        return self._envelope(self.chunk_name, [choice], **extra)

    def _envelope(self, object_name: str, choices: list[Json], **extra: Any) -> Json:
        return {
            "id": self.id,
            "object": object_name,
            "created": self.created,
            "model": self.model,
            "choices": choices,
            **extra,
        }


class _Choice:
    """What one choice has gathered so far."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.logprobs: list[Json] = []
        self.calls: dict[int, Json] = {}
        self.reason: str | None = None

    def add(self, event: TextDelta | ToolCallDelta | Finished) -> None:
        if isinstance(event, TextDelta):
            self.texts.append(event.text)
            self.logprobs.extend(event.logprobs or [])
        elif isinstance(event, ToolCallDelta):
            self._add_call(event)
        else:
            self.reason = event.reason

    def _add_call(self, event: ToolCallDelta) -> None:
        call = self.calls.setdefault(
            event.call,
            {"id": event.id, "type": "function", "function": {"name": event.name, "arguments": ""}},
        )
        call["function"]["arguments"] += event.arguments

    @property
    def text(self) -> str:
        return "".join(self.texts)


class _Collected(Shape):
    def __init__(self, model: str, *, with_usage: bool) -> None:
        super().__init__(model, with_usage=with_usage)
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None

    def collect(self, event: Event) -> None:
        if isinstance(event, Usage):
            self._usage = event
        else:
            self._choices.setdefault(event.index, _Choice()).add(event)

    def answer(self) -> Json:
        choices = [self.choice_answer(i, c) for i, c in sorted(self._choices.items())]
        usage = self._usage.to_wire() if self._usage else None
        return self._envelope(self.object_name, choices, usage=usage)

    @abstractmethod
    def choice_answer(self, index: int, choice: _Choice) -> Json: ...


class ChatShape(_Collected):
    """`chat.completion` and `chat.completion.chunk`."""

    id_prefix = "chatcmpl-"
    object_name = "chat.completion"
    chunk_name = "chat.completion.chunk"

    def __init__(self, model: str, *, with_usage: bool) -> None:
        super().__init__(model, with_usage=with_usage)
        self._opened: set[int] = set()

    def choice_chunks(self, event: TextDelta | ToolCallDelta | Finished) -> list[Json]:
        choices = []
        if event.index not in self._opened:
            self._opened.add(event.index)
            opening = {"role": "assistant", "content": "", "refusal": None}
            choices.append(_chat_choice(event.index, opening))
        if isinstance(event, TextDelta):
            logprobs = _chat_logprobs(event.logprobs)
            choices.append(_chat_choice(event.index, {"content": event.text}, logprobs))
        elif isinstance(event, ToolCallDelta):
            choices.append(_chat_choice(event.index, {"tool_calls": [_call_delta(event)]}))
        else:
            choices.append(_chat_choice(event.index, {}, reason=event.reason))
        return choices

    def choice_answer(self, index: int, choice: _Choice) -> Json:
        """Return choice `index` with its message; content is null beside tool calls."""
        calls = [call for _, call in sorted(choice.calls.items())]
        message: Json = {
            "role": "assistant",
            "content": choice.text if choice.texts or not calls else None,
            "refusal": None,
            "annotations": [],
        }
        if calls:
            message["tool_calls"] = calls
        return {
            "index": index,
            "message": message,
            "logprobs": _chat_logprobs(choice.logprobs or None),
            "finish_reason": choice.reason,
        }


def _chat_choice(
    index: int, delta: Json, logprobs: Json | None = None, reason: str | None = None
) -> Json:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}


def _chat_logprobs(entries: list[Json] | None) -> Json | None:
    return None if entries is None else {"content": entries, "refusal": None}


def _call_delta(event: ToolCallDelta) -> Json:
    function: Json = {"arguments": event.arguments}
    if event.name is not None:
        function = {"name": event.name, "arguments": event.arguments}
    delta: Json = {"index": event.call, "function": function}
    if event.id is not None:
        delta |= {"id": event.id, "type": "function"}
    return delta


class CompletionShape(_Collected):
    """`text_completion`, whole and in chunks."""

    id_prefix = "cmpl-"
    object_name = "text_completion"
    chunk_name = "text_completion"

    def __init__(self, model: str, *, with_usage: bool) -> None:
        super().__init__(model, with_usage=with_usage)
        self._offsets: dict[int, int] = {}

    def choice_chunks(self, event: TextDelta | ToolCallDelta | Finished) -> list[Json]:
        if isinstance(event, ToolCallDelta):
            return []
        if isinstance(event, Finished):
            return [_text_choice(event.index, "", None, event.reason)]
        logprobs = self._logprobs(event.index, event.logprobs)
        return [_text_choice(event.index, event.text, logprobs, None)]

    def choice_answer(self, index: int, choice: _Choice) -> Json:
        logprobs = self._logprobs(index, choice.logprobs or None)
        return _text_choice(index, choice.text, logprobs, choice.reason)

    def _logprobs(self, index: int, entries: list[Json] | None) -> Json | None:
        if entries is None:
            return None
        start = self._offsets.get(index, 0)
        offsets = []
        for entry in entries:
            offsets.append(start)
            start += len(entry["token"])
        self._offsets[index] = start
        return {
            "tokens": [entry["token"] for entry in entries],
            "token_logprobs": [entry["logprob"] for entry in entries],
            "top_logprobs": [_top(entry) for entry in entries],
            "text_offset": offsets,
        }


def _top(entry: Json) -> dict[str, float]:
    return {other["token"]: other["logprob"] for other in entry["top_logprobs"]}


def _text_choice(index: int, text: str, logprobs: Json | None, reason: str | None) -> Json:
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}
