"""What the tests of the SDK share: messages, gathered streams, the strict check of types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from openai.types import Completion
from openai.types.chat import ChatCompletionChunk, ChatCompletionUserMessageParam
from pydantic import BaseModel, ValidationError

ModelT = TypeVar("ModelT", bound=BaseModel)


def said(content: str) -> list[ChatCompletionUserMessageParam]:
    """Return a conversation of one message."""
    return [{"role": "user", "content": content}]


def text_of(chunks: Iterable[ChatCompletionChunk]) -> str:
    """Return the text of a streamed answer, each chunk checked."""
    return "".join(
        choice.delta.content or "" for chunk in chunks for choice in strict(chunk).choices
    )


def strict(model: ModelT) -> ModelT:
    """Return what the SDK built once it is true to its own type, which the SDK does not check."""
    try:
        type(model).model_validate(model.model_dump(warnings=False), strict=True)
    except ValidationError as error:
        wrong = [e for e in error.errors() if not _is_open_choice(model, e["loc"], e["input"])]
        assert not wrong, wrong
    return model


def _is_open_choice(model: BaseModel, location: tuple[int | str, ...], value: object) -> bool:
    # OpenAI sends null until a choice of a text completion is complete; its type forgets that.
    return isinstance(model, Completion) and location[-1] == "finish_reason" and value is None
