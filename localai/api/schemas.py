"""Request bodies in `/openapi.json`: the routes read bodies themselves, so we describe them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from localai.gallery.apply import ApplyRequest
from localai.protocol.audio import SpeechRequest, TranscriptionRequest, VoiceActivityRequest
from localai.protocol.embeddings import EmbeddingRequest
from localai.protocol.images import (
    ImageEditRequest,
    ImageRequest,
    ImageVariationRequest,
    ReferringImageEdit,
)
from localai.protocol.requests import ChatRequest, CompletionRequest

_REF = "#/components/schemas/{model}"


def request_body(kind: type[BaseModel]) -> dict[str, Any]:
    """Return what a route says of its JSON body."""
    reference = {"$ref": _REF.format(model=kind.__name__)}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}
    }


def form_body(kind: type[BaseModel], files: tuple[str, ...]) -> dict[str, Any]:
    """Return what a route says of a form whose `files` are uploads."""
    uploads = {name: {"type": "string", "format": "binary"} for name in files}
    reference = {"$ref": _REF.format(model=kind.__name__)}
    schema = {"allOf": [reference, {"type": "object", "properties": uploads}]}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


def describe_bodies(app: FastAPI) -> None:
    """Add the schemas of all request bodies to the app's document.

    Source: FastAPI's documentation, "Extending OpenAPI".
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(_definitions())
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _definitions() -> dict[str, Any]:
    kinds: list[type[BaseModel]] = [
        ChatRequest, CompletionRequest, EmbeddingRequest, TranscriptionRequest,
        VoiceActivityRequest, SpeechRequest, ImageRequest, ImageEditRequest, ReferringImageEdit,
        ImageVariationRequest, ApplyRequest,
    ]  # fmt: skip
    _, schema = models_json_schema([(kind, "validation") for kind in kinds], ref_template=_REF)
    definitions: dict[str, Any] = schema["$defs"]
    return definitions
