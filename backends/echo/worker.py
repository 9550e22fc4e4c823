"""The echo backend: a real worker without an engine."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, Literal

import orjson

from localai.errors import InvalidRequest
from localai.protocol.audio import (
    OPENAI_VOICES,
    SpeechRequest,
    TranscriptionRequest,
    VoiceActivityRequest,
)
from localai.protocol.capabilities import Capability
from localai.protocol.embeddings import EmbeddingRequest
from localai.protocol.events import Event, Finished, TextDelta, ToolCallDelta, Usage
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.protocol.requests import ChatRequest, CompletionRequest, Sampling
from localai.worker.backend import Backend
from localai.worker.results import (
    AudioInfo,
    Embeddings,
    Picture,
    Segment,
    Sound,
    SpeechSpan,
    Step,
    Transcribed,
)

from .hearing import HEARD_PARAMETERS, hear, loud_spans
from .sample import sample_value
from .seeing import media_words
from .speech import tones
from .triggers import Triggers, split_triggers

_WORD = re.compile(r"\s*\S+|\s+\Z")
_PARAMETERS = frozenset(ChatRequest.model_fields) | frozenset(CompletionRequest.model_fields)
_PICTURES = (
    frozenset(ImageRequest.model_fields)
    | frozenset(ImageEditRequest.model_fields)
    | frozenset(ImageVariationRequest.model_fields)
)


class Echo(Backend):
    """Repeats the last user message, one word a chunk; a token is a word."""

    honours = {
        Capability.CHAT: _PARAMETERS,
        Capability.COMPLETION: _PARAMETERS,
        Capability.EMBEDDING: frozenset({"dimensions"}),
        Capability.SPEECH: frozenset({"voice", "speed"}),
        Capability.TRANSCRIPTION: HEARD_PARAMETERS,
        Capability.TRANSLATION: HEARD_PARAMETERS,
        Capability.VOICE_ACTIVITY: frozenset(),
        Capability.IMAGE: _PICTURES,
        Capability.IMAGE_EDIT: _PICTURES,
        Capability.IMAGE_VARIATION: _PICTURES,
    }

    def __init__(self, spec: LaunchSpec) -> None:
        super().__init__(spec)
        self._triggers = Triggers.from_options(spec.options)
        self._running = 0
        self._counts = {"predicted_tokens_total": 0, "spoken_words_total": 0, "cancelled_total": 0}

    async def load(self) -> WorkerInfo:
        """Take the time and the faults that the options ask for."""
        await asyncio.sleep(self._triggers.load_delay)
        self._triggers.strike("load")
        return WorkerInfo(
            name=self.spec.name,
            backend="echo",
            capabilities=[*self.honours, Capability.VISION, Capability.HEARING],
            max_concurrent=self.spec.max_concurrent,
        )

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Repeat the last user message, or answer with a tool call or JSON made from it."""
        prompt_tokens = sum(len(_words(message.text())) for message in request.messages)
        said, triggers = split_triggers(_last_user_text(request), self._triggers)
        tool = _wanted_tool(request, triggers)
        text = said if request.response_format is None else _json_answer(request, said)
        async for event in self._answer(request, [text], triggers, tool, prompt_tokens):
            yield event

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """Repeat each prompt."""
        split = [split_triggers(_as_text(prompt), self._triggers) for prompt in request.prompts()]
        texts = [text for text, _ in split]
        prompt_tokens = sum(len(_words(text)) for text in texts)
        async for event in self._answer(request, texts, split[0][1], None, prompt_tokens):
            yield event

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return a vector for each input, made of its hash."""
        from .embedding import embed

        self._running += 1
        try:
            return await embed(request, self._triggers)
        except asyncio.CancelledError:
            self._counts["cancelled_total"] += 1
            raise
        finally:
            self._running -= 1

    async def draw(
        self, request: ImageRequest | ImageEditRequest | ImageVariationRequest
    ) -> AsyncGenerator[Step | Picture | Usage, None]:
        """Draw pictures of one colour, which the prompt decides."""
        from .drawing import draw

        self._running += 1
        try:
            async with aclosing(draw(request, self._triggers)) as events:
                async for event in events:
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            self._counts["cancelled_total"] += 1
            raise
        finally:
            self._running -= 1

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[Sound, None]:
        """Sound a tone for each word."""
        self._running += 1
        try:
            async with aclosing(tones(request, self._triggers)) as sounds:
                async for sound in sounds:
                    self._counts["spoken_words_total"] += 1
                    yield sound
        except (GeneratorExit, asyncio.CancelledError):
            self._counts["cancelled_total"] += 1
            raise
        finally:
            self._running -= 1

    async def transcribe(
        self, request: TranscriptionRequest, *, translate: bool
    ) -> AsyncGenerator[AudioInfo | Segment | Transcribed, None]:
        """Hear the words of the prompt, else those of the file."""
        self._running += 1
        try:
            async with aclosing(hear(request, self._triggers)) as heard:
                async for event in heard:
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            self._counts["cancelled_total"] += 1
            raise
        finally:
            self._running -= 1

    async def find_speech(self, request: VoiceActivityRequest) -> list[SpeechSpan]:
        """Take all that is not silent for speech."""
        return loud_spans(request.audio)

    def voices(self) -> list[str]:
        """Return OpenAI's voices; each has a pitch of its own."""
        return list(OPENAI_VOICES)

    def metrics(self) -> dict[str, float]:
        """Return how many answers run and what was counted."""
        return {"sequences_running": self._running, **self._counts}

    async def _answer(
        self,
        request: Sampling,
        texts: list[str],
        triggers: Triggers,
        tool: dict[str, Any] | None,
        prompt_tokens: int,
    ) -> AsyncGenerator[Event, None]:
        self._running += 1
        made = 0
        try:
            await asyncio.sleep(triggers.delay)
            triggers.strike("before")
            for index, text in enumerate(t for t in texts for _ in range(request.n or 1)):
                choice = self._choice(index, text, request, triggers)
                async for event in _call_tool(index, tool, text) if tool else choice:
                    made += isinstance(event, TextDelta | ToolCallDelta)
                    yield event
            yield Usage(prompt_tokens, made)
        except (GeneratorExit, asyncio.CancelledError):
            self._counts["cancelled_total"] += 1
            raise
        finally:
            self._running -= 1

    async def _choice(
        self, index: int, text: str, request: Sampling, triggers: Triggers
    ) -> AsyncGenerator[Event, None]:
        limit = request.answer_limit()
        reason: Literal["stop", "length"] = "stop"
        for count, word in enumerate(_stopped(_repeated(text, triggers.words), request.stops())):
            if count == limit:
                reason = "length"
                break
            if count and triggers.slow:
                await asyncio.sleep(triggers.slow)
            self._counts["predicted_tokens_total"] += 1
            yield TextDelta(word, index, _logprobs(request, word))
            if count == 2:
                triggers.strike("mid")
        else:
            if len(_words(text)) < 3:  # an answer too short for its middle
                triggers.strike("mid")
        yield Finished(reason, index)


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _repeated(text: str, words: int | None) -> Iterator[str]:
    once = _words(text)
    if words is None or not once:
        return iter(once)
    again = [once[0] if once[0][:1].isspace() else f" {once[0]}", *once[1:]]
    return itertools.islice(itertools.chain(once, itertools.cycle(again)), words)


def _stopped(words: Iterator[str], stops: list[str]) -> Iterator[str]:
    if not stops:
        return words
    text = "".join(words)
    ends = [end for stop in stops if (end := text.find(stop)) >= 0]
    return iter(_words(text[: min(ends, default=len(text))]))


def _logprobs(request: Sampling, word: str) -> list[dict[str, Any]] | None:
    wanted = getattr(request, "logprobs", None)
    if wanted is None or wanted is False:
        return None
    entry = {"token": word, "logprob": 0.0, "bytes": list(word.encode())}
    tops = (getattr(request, "top_logprobs", None) or 0) if wanted is True else wanted
    return [entry | {"top_logprobs": [entry] if tops else []}]


def _last_user_text(request: ChatRequest) -> str:
    asked = [message for message in request.messages if message.role == "user"]
    return asked[-1].text() + media_words(asked[-1]) if asked else ""


def _as_text(prompt: str | list[int]) -> str:
    return prompt if isinstance(prompt, str) else " ".join(map(str, prompt))


def _json_answer(request: ChatRequest, said: str) -> str:
    wanted = request.response_format or {}
    if wanted.get("type") == "json_object":
        return orjson.dumps({"echo": said}).decode()
    if wanted.get("type") != "json_schema":
        return said
    return _sample_json(wanted["json_schema"]["schema"], said, "response_format")


def _sample_json(schema: dict[str, Any], text: str, param: str) -> str:
    try:
        return orjson.dumps(sample_value(schema, text)).decode()
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InvalidRequest(
            f"echo cannot follow this JSON Schema: {type(error).__name__}: {error}.", param=param
        ) from None


def _wanted_tool(request: ChatRequest, triggers: Triggers) -> dict[str, Any] | None:
    tools = {tool["function"]["name"]: tool["function"] for tool in _functions(request)}
    choice = request.tool_choice
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if name not in tools:
            raise InvalidRequest(f"There is no tool '{name}'.", param="tool_choice")
        return dict(tools[name])
    if tools and choice != "none" and (choice == "required" or triggers.tool):
        return dict(next(iter(tools.values())))
    return None


def _functions(request: ChatRequest) -> list[dict[str, Any]]:
    tools = request.tools or []
    if any(tool.get("type", "function") != "function" for tool in tools):
        raise InvalidRequest("echo knows only tools of type 'function'.", param="tools")
    return tools


async def _call_tool(index: int, tool: dict[str, Any], text: str) -> AsyncGenerator[Event, None]:
    arguments = _sample_json(tool.get("parameters") or {}, text, "tools")
    half = len(arguments) // 2
    yield ToolCallDelta(0, "", f"call_echo_{index}", tool["name"], index)
    yield ToolCallDelta(0, arguments[:half], index=index)
    yield ToolCallDelta(0, arguments[half:], index=index)
    yield Finished("tool_calls", index)
