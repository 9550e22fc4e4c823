"""The card: which file a model is, which backend runs it, and how."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from localai.cards.parameters import AsParameters
from localai.durations import Duration
from localai.protocol.capabilities import Capability

_NAME = r"[A-Za-z0-9][A-Za-z0-9._:-]*(?:/[A-Za-z0-9][A-Za-z0-9._:-]*)*"


LONGEST_NAME = 200


def _check_name(name: str) -> str:
    if not re.fullmatch(_NAME, name) or len(name) > LONGEST_NAME:
        raise ValueError(
            f"{name!r} cannot be a model's name: use letters, digits and '.', '_', '-', ':', '/', "
            "starting with a letter or digit"
        )
    return name


ModelName = Annotated[
    str, AfterValidator(_check_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})
]


def _check_not_empty(capabilities: tuple[Capability, ...]) -> tuple[Capability, ...]:
    if not capabilities:
        raise ValueError("an empty list means a model that can do nothing: remove it")
    return capabilities


Capabilities = Annotated[tuple[Capability, ...], AfterValidator(_check_not_empty)]


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$"), AfterValidator(str.lower)]
"""A checksum in hex; in small letters from here on, so that nobody has to think of its case."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardFile(_Part):
    """One more file that the model needs, and where it comes from."""

    path: str = Field(
        description="Where the file is kept, relative to the card, if it is not fetched"
    )
    uri: str = Field(description="Where the file comes from, a reference as for `model`")
    sha256: Sha256 | None = Field(
        default=None, description="The file's checksum, in hex, compared when it is fetched"
    )


class Limits(_Part):
    """How much of the machine the model may take."""

    max_concurrent: int = Field(
        default=8, ge=1, le=1024, description="Calls answered at the same time"
    )
    queue: int = Field(default=64, ge=0, le=100_000, description="Calls that may wait for a turn")
    queue_timeout: Duration = Field(default=300.0, description="Longest wait for a turn")
    context: int | None = Field(
        default=None, ge=1, description="Tokens of context; fills option `n_ctx`"
    )


class Card(_Part):
    """A model, as its YAML file describes it."""

    name: ModelName = Field(description="What callers write in `model`")
    aliases: tuple[ModelName, ...] = Field(default=(), description="More names for the same model")
    description: str = Field(default="", description="What the model is, for people")
    capabilities: Capabilities | None = Field(
        default=None,
        description="What callers may ask for; default: what its backend and its options give",
    )
    backend: str = Field(description="Which engine runs the model")
    model: str | None = Field(
        default=None,
        min_length=1,
        description="The model's file or folder: a path, absolute or from the card's folder; a "
        "reference such as hf://org/repo, ollama://name or https://…, which is fetched; "
        "package://module/path for one inside an installed Python package; or, where no such path "
        "is there, a short name, org/repo, or a gallery's name",
    )
    files: tuple[CardFile, ...] = Field(default=(), description="More files that the model needs")
    fallback: ModelName | None = Field(
        default=None, description="Model that answers until this one's files are there"
    )
    defaults: Annotated[dict[str, Any], AsParameters()] = Field(
        default={}, description="Parameters for calls that leave them out"
    )
    limits: Limits = Field(
        default=Limits(), description="How much of the machine the model may take"
    )
    keep_alive: Duration | None = Field(
        default=None,
        description="How long the model stays loaded when idle; 0 unloads at once, -1 never",
    )
    options: dict[str, Any] = Field(default={}, description="Options of the backend")
    lenient: bool = Field(
        default=False,
        description="Ignore parameters that the model cannot honour instead of refusing them",
    )

    trust: bool = Field(
        default=False,
        description="Fetch also formats that can run a program when they are read (pickles)",
    )

    @property
    def digest(self) -> str:
        """Return a checksum of the content: a changed card has another, comments do not count."""
        return content_digest(self.model_dump(mode="json"))


def content_digest(content: object) -> str:
    """Return the sha256 of JSON data, independent of the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
