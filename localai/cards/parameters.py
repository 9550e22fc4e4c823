"""`defaults` of a card: the parameters of a call that a card may fill in."""

from __future__ import annotations

from typing import Annotated, Any, Union

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, create_model
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from localai.protocol.audio import SpeechRequest, TranscriptionRequest
from localai.protocol.embeddings import EmbeddingRequest
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from localai.protocol.requests import ChatRequest, CompletionRequest
from localai.protocol.wire import Wire

BELONGS_TO_THE_CALL = frozenset(
    {
        "messages", "prompt", "model", "stream", "stream_options", "user", "metadata",
        # Chat wants true or false where a text completion wants a number.
        "logprobs", "top_logprobs", "file", "image", "images", "input", "mask", "include",
        "timestamp_granularities", "stream_format", "partial_images",
    }
)  # fmt: skip
"""Parameters that cannot have a default, as each call has its own."""


_OF_SEVERAL_KINDS = frozenset({"response_format"})
"""An object for chat, a word for transcriptions and pictures."""


def _fields(*requests: type[Wire]) -> dict[str, list[FieldInfo]]:
    """Return what each parameter may be; the first request that knows a name says it for all."""
    found: dict[str, list[FieldInfo]] = {}
    for request in requests:
        for name, info in request.model_fields.items():
            kinds = found.setdefault(name, [])
            if not kinds or name in _OF_SEVERAL_KINDS:
                kinds.append(info)
    return {name: kinds for name, kinds in found.items() if name not in BELONGS_TO_THE_CALL}


_FIELDS = _fields(
    ChatRequest, CompletionRequest, EmbeddingRequest, TranscriptionRequest, SpeechRequest,
    ImageRequest, ImageEditRequest, ImageVariationRequest,
)  # fmt: skip
PARAMETERS = frozenset(_FIELDS)
"""Every parameter that a card's `defaults` may hold."""


def _field(kinds: list[FieldInfo]) -> tuple[Any, Any]:
    if len(kinds) == 1:
        return kinds[0].annotation, kinds[0]
    either: Any = Union[tuple(_constrained(kind) for kind in kinds)]  # noqa: UP007
    return either, None


def _constrained(info: FieldInfo) -> Any:
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def _parameters_model() -> type[BaseModel]:
    fields: dict[str, Any] = {name: _field(kinds) for name, kinds in _FIELDS.items()}
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
