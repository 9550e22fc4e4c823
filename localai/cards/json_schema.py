"""The JSON Schema of a card, for editors: generated from the model and the backends' manifests."""

from __future__ import annotations

from typing import Any

from localai.cards.resolved import Backends
from localai.cards.schema import Card
from localai.protocol.manifest import Manifest, OptionSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def card_schema(backends: Backends) -> dict[str, Any]:
    """Return the schema of a card that one of `backends` runs."""
    schema = Card.model_json_schema()
    schema["properties"]["backend"]["enum"] = sorted(backends)
    branches = [_branch(manifest) for _, (_, manifest) in sorted(backends.items())]
    title = {"$schema": DIALECT, "title": "LocalAI model card"}
    return schema | title | ({"allOf": branches} if branches else {})


def _branch(manifest: Manifest) -> dict[str, Any]:
    then: dict[str, Any] = {"properties": {"options": _options_schema(manifest)}}
    if manifest.needs_model:
        then["required"] = ["model"]
        then["properties"]["model"] = {"type": "string"}
    asked = {"properties": {"backend": {"const": manifest.name}}, "required": ["backend"]}
    return {"if": asked, "then": then}


def _options_schema(manifest: Manifest) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _option_schema(spec) for name, spec in manifest.options.items()},
    }


def _option_schema(spec: OptionSpec) -> dict[str, Any]:
    schema = spec.model_dump(exclude_none=True)
    if spec.default is None:
        schema["type"] = [spec.type, "null"]
        if spec.enum is not None:
            schema["enum"] = [*spec.enum, None]
    return schema
