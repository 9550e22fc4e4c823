"""`defaults` of a card: the parameters of a call that a card may fill in."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, create_model
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from localai.protocol.requests import ChatRequest, CompletionRequest, Sampling

BELONGS_TO_THE_CALL = frozenset(
    {
        "messages", "prompt", "model", "stream", "stream_options", "user", "metadata",
        # Chat wants true or false where a text completion wants a number.
        "logprobs", "top_logprobs",
    }
)  # fmt: skip
"""Parameters that cannot have a default, as each call has its own."""


def _fields(*requests: type[Sampling]) -> dict[str, FieldInfo]:
    return {
        name: info
        for request in requests
        for name, info in request.model_fields.items()
        if name not in BELONGS_TO_THE_CALL
    }


_FIELDS = _fields(ChatRequest, CompletionRequest)
PARAMETERS = frozenset(_FIELDS)
"""Every parameter that a card's `defaults` may hold."""


def _parameters_model() -> type[BaseModel]:
    fields: dict[str, Any] = {name: (info.annotation, info) for name, info in _FIELDS.items()}
    config = ConfigDict(extra="forbid", strict=True, frozen=True)
    return create_model("Defaults", __config__=config, **fields)


_MODEL = _parameters_model()


class AsParameters:
    """Marks a dict whose keys and values are checked like the parameters of a request."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            lambda parameters: parameters.model_dump(exclude_unset=True),
            handler.generate_schema(_MODEL),
            serialization=core_schema.plain_serializer_function_ser_schema(dict),
        )
