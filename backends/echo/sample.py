"""The smallest value that a JSON Schema admits, always the same one."""

from __future__ import annotations

from typing import Any

_MOST = 1000
"""The longest string and array that is made; nested ones multiply."""
_PLAIN: dict[str, Any] = {
    "string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "null": None,
}  # fmt: skip


def sample_value(schema: dict[str, Any], text: str, root: dict[str, Any] | None = None) -> Any:
    """Return a value for `schema`; free strings become `text`, so that an echo can be seen."""
    root = root or schema
    if "$ref" in schema:
        return sample_value(_resolve(schema["$ref"], root), text, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return sample_value(schema[key][0], text, root)
    return _sample_typed(schema, text, root)


def _sample_typed(schema: dict[str, Any], text: str, root: dict[str, Any]) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: sample_value(sub, text, root) for name, sub in properties.items()}
    if kind == "string":
        return text[: schema.get("maxLength", len(text))].ljust(_least(schema, "minLength"), "x")
    if kind == "array":
        item = schema.get("items", {})
        return [sample_value(item, text, root) for _ in range(_least(schema, "minItems"))]
    return schema.get("minimum", _PLAIN[kind])


def _least(schema: dict[str, Any], key: str) -> int:
    least: int = schema.get(key, 0)
    if least > _MOST:
        raise ValueError(f"{key} is larger than {_MOST}")
    return least


def _resolve(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    node: Any = root
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return dict(node)
