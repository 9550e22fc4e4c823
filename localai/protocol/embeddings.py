"""The typed request for embeddings. Source: OpenAI's `CreateEmbeddingRequest`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from localai.protocol.wire import Wire

Input = str | list[int]
"""One text, or one text's token ids."""
MOST_INPUTS = 2048
"""OpenAI's limit for one call."""


class EmbeddingRequest(Wire):
    """`POST /v1/embeddings`."""

    no_effect = frozenset({"model", "input", "user", "encoding_format"})

    input: str | list[str] | list[int] | list[list[int]]
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _has_input(self) -> Self:
        if len(self.inputs()) > MOST_INPUTS:
            raise ValueError(f"'input' must have {MOST_INPUTS} texts at most; send several calls")
        if not self.input or any(not one for one in self.inputs()):
            raise ValueError("'input' must not be empty, nor hold an empty text")
        if any(token < 0 for one in self.inputs() if not isinstance(one, str) for token in one):
            raise ValueError("'input' holds a token id below 0")
        return self

    def inputs(self) -> list[Input]:
        """Return the inputs one by one."""
        if isinstance(self.input, str):
            return [self.input]
        tokens = [one for one in self.input if isinstance(one, int)]
        return [tokens] if tokens else [one for one in self.input if not isinstance(one, int)]
