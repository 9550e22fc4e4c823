"""What `POST /models/apply` takes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from localai.protocol.wire import Wire


class ApplyRequest(Wire):
    """What to install: a gallery's model by `id`, or anything that a reference names by `url`."""

    id: str | None = Field(default=None, description="A gallery's model, as `gallery@name`")
    url: str | None = Field(default=None, description="A reference, as hf://org/repo")
    name: str | None = Field(default=None, description="What the model will be called")
    overrides: dict[str, Any] | None = None
    files: list[dict[str, Any]] | None = None
