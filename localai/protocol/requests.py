"""The typed requests: OpenAI's chat and text completions with the usual local extensions.

Source: OpenAI's specification, `CreateChatCompletionRequest` and `CreateCompletionRequest`. Fields
nobody knows are kept in `model_extra`, so that the answer can name them as ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from localai.protocol.wire import Wire

Penalty = Annotated[float, Field(ge=-2, le=2)]
Bias = Annotated[float, Field(ge=-100, le=100)]
TokenCount = Annotated[int, Field(ge=0)]


def _check_function(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type", "function") != "function":
        return value
    function = value.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError("a function needs the field 'function' with a 'name'")
    if not isinstance(function.get("parameters") or {}, dict):
        raise ValueError("'function.parameters' must be a JSON Schema, an object")
    return value


def _check_format(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type") not in ("text", "json_object", "json_schema"):
        raise ValueError("'type' must be 'text', 'json_object' or 'json_schema'")
    schema = value.get("json_schema")
    if value["type"] == "json_schema" and not (
        isinstance(schema, dict) and isinstance(schema.get("schema"), dict)
    ):
        raise ValueError("type 'json_schema' needs the object 'json_schema.schema'")
    return value


def _as_image_url(value: object) -> object:
    # Several clients send the address alone.
    return {"url": value} if isinstance(value, str) else value


FunctionObject = Annotated[dict[str, Any], AfterValidator(_check_function)]
"""A tool, or the choice of one; kinds other than functions are for the backend to judge."""
ResponseFormat = Annotated[dict[str, Any], AfterValidator(_check_format)]

NO_EFFECT = frozenset(
    {
        "messages", "model", "prompt", "stream", "stream_options", "user", "metadata", "store",
        "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
        "prompt_cache_options", "moderation", "parallel_tool_calls", "prediction",
    }
)  # fmt: skip
"""Parameters that every backend may be sent: the host's own, or without effect on content."""


_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (0, 1),
    "echo": (False,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repeat_penalty": (1,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "suffix": ("",),
}


class ImageUrl(Wire):
    """A picture: a data URI, or an http(s) address until the gateway has fetched it."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class InputAudio(Wire):
    """Audio in base64; its format is told by its bytes."""

    data: str
    format: str | None = None


_KINDS_OF_PARTS = ("text", "image_url", "input_audio", "file", "refusal")


class ContentPart(Wire):
    """One part of a message: text, or a reference to media."""

    type: Literal["text", "image_url", "input_audio", "file", "refusal"]
    text: str | None = None
    image_url: Annotated[ImageUrl | None, BeforeValidator(_as_image_url)] = None
    input_audio: InputAudio | None = None
    file: dict[str, Any] | None = None
    refusal: str | None = None

    @model_validator(mode="after")
    def _has_its_value_alone(self) -> Self:
        if getattr(self, self.type) is None:
            raise ValueError(f"a part of type '{self.type}' needs the field '{self.type}'")
        # Readers go by the type, so that what stands beside would be lost.
        beside = [kind for kind in _KINDS_OF_PARTS if kind != self.type and getattr(self, kind)]
        if beside:
            raise ValueError(
                f"a part of type '{self.type}' cannot carry '{beside[0]}' too: send a part of its "
                "own for it"
            )
        return self


class Message(Wire):
    """One turn of a conversation."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    function_call: dict[str, Any] | None = None
    audio: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if self.content is None and self.role != "assistant":
            raise ValueError(f"a message of role '{self.role}' needs 'content'")
        return self

    def text(self) -> str:
        """Return the message's text parts, joined by newlines."""
        if isinstance(self.content, list):
            texts = (part.text or part.refusal for part in self.content)
            return "\n".join(text for text in texts if text is not None)
        return self.content or ""


class StreamOptions(Wire):
    """What a streamed answer carries beside the text."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Sampling(Wire):
    """Parameters that chat and text completions share; None means that the caller left it out."""

    no_effect = NO_EFFECT
    plain_values = _DEFAULTS

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: TokenCount | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    seed: int | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, Bias] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Field(gt=0, le=10)] | None = None

    @model_validator(mode="after")
    def _stream_options_need_a_stream(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise ValueError("'stream_options' is only allowed when 'stream' is true")
        return self

    def stops(self) -> list[str]:
        """Return the stop strings as a list, without empty ones."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [s for s in stop if s]

    def answer_limit(self) -> int | None:
        """Return the most tokens that the answer may have, None for no limit."""
        return self.max_tokens

    def wants_usage(self) -> bool:
        """Tell whether a stream ends with a usage chunk."""
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(Sampling):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: TokenCount | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: list[FunctionObject] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionObject | None = None
    parallel_tool_calls: bool | None = None
    functions: list[dict[str, Any]] | None = None
    function_call: str | dict[str, Any] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = (
        None
    )
    verbosity: Literal["low", "medium", "high"] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    store: bool | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    service_tier: str | None = None
    moderation: Any = None

    @model_validator(mode="after")
    def _top_logprobs_need_logprobs(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("'top_logprobs' is only allowed when 'logprobs' is true")
        return self

    def answer_limit(self) -> int | None:
        """Return `max_completion_tokens`, else the older `max_tokens`."""
        both = (self.max_completion_tokens, self.max_tokens)
        return next((limit for limit in both if limit is not None), None)


class CompletionRequest(Sampling):
    """`POST /v1/completions`."""

    prompt: str | list[str] | list[int] | list[list[int]]
    best_of: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    suffix: str | None = None

    @model_validator(mode="after")
    def _has_a_prompt(self) -> Self:
        if isinstance(self.prompt, list) and not self.prompt:
            raise ValueError("'prompt' must not be an empty list")
        return self

    def answer_limit(self) -> int | None:
        """Return `max_tokens`, 16 when it is left out, as OpenAI's specification says."""
        return 16 if self.max_tokens is None else self.max_tokens

    def prompts(self) -> list[str | list[int]]:
        """Return the prompts one by one, each a text or a list of token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        tokens = [part for part in self.prompt if isinstance(part, int)]
        texts = [part for part in self.prompt if not isinstance(part, int)]
        return [tokens] if tokens else list(texts)
