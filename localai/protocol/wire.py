"""What every typed request shares: exact types, unknown fields kept, refusals that name a field."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from localai.errors import InvalidRequest


class Wire(BaseModel):
    """Base of what arrives in JSON: exact types, unknown fields kept."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    no_effect: ClassVar[frozenset[str]] = frozenset()
    """Parameters that every backend may be sent: the host's own, or without effect on content."""
    plain_values: ClassVar[dict[str, tuple[Any, ...]]] = {}
    """Values of parameters that ask for nothing, as `n: 1`."""

    def unknown_fields(self, path: str = "") -> list[str]:
        """Return the fields that the specification and we do not know, as `messages[0].name`."""
        names = [path + name for name in sorted(self.model_extra or {})]
        for field in sorted(self.model_fields_set):
            value = getattr(self, field)
            if isinstance(value, Wire):
                names += value.unknown_fields(f"{path}{field}.")
            elif isinstance(value, list):
                for number, part in enumerate(value):
                    if isinstance(part, Wire):
                        names += part.unknown_fields(f"{path}{field}[{number}].")
        return names


def asked_parameters(request: Wire) -> dict[str, Any]:
    """Return the known parameters that change the answer and were set to other than the default."""
    return {
        name: value
        for name in request.model_fields_set
        if name in type(request).model_fields and name not in request.no_effect
        and (value := getattr(request, name)) is not None
        and not any(_is_same(value, plain) for plain in request.plain_values.get(name, ()))
    }  # fmt: skip


def _is_same(value: object, plain: object) -> bool:
    # To Python 0 equals False, but `logprobs: 0` asks for logprobs and `logprobs: false` does not.
    return value == plain and isinstance(value, bool) == isinstance(plain, bool)


def invalid_request(error: ValidationError) -> InvalidRequest:
    """Translate pydantic's first complaint into a 400 that names the parameter."""
    first = max(error.errors(include_url=False), key=lambda e: len(e["loc"]))
    param = parameter_path(first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    text = text[:1].lower() + text[1:] if not text.startswith("'") else text
    if param is None:
        # Rules between fields have no location, but start with the name of the one to change.
        named = text.split("'")[1] if text.startswith("'") else None
        return InvalidRequest(f"Invalid request: {text}.", param=named)
    code = "missing_required_parameter" if first["type"] == "missing" else None
    return InvalidRequest(f"Invalid '{param}': {text}.", param=param, code=code)


def parameter_path(location: tuple[str | int, ...]) -> str | None:
    """Return `messages[0].content` for pydantic's location, without its union tags."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier() and part not in {"str", "int", "float", "bool"}:
            path += f".{part}" if path else part
    return path or None
