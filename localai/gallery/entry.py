"""An entry of a gallery: a model that can be installed by its name."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from localai.amounts import Size
from localai.cards.parameters import AsParameters
from localai.cards.schema import Capabilities, Limits, ModelName, Sha256
from localai.durations import Duration
from localai.errors import InvalidReference
from localai.protocol.capabilities import Capability
from localai.references import (
    FileReference,
    NameReference,
    PackageReference,
    check_relative_path,
    parse_reference,
)


def _check_path(path: str) -> str:
    try:
        return check_relative_path(path)
    except InvalidReference as error:
        raise ValueError(error.message) from None


def _check_not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _check_uri(text: str) -> str:
    try:
        reference = parse_reference(text)
    except InvalidReference as error:
        raise ValueError(error.message) from None
    if isinstance(reference, NameReference | FileReference | PackageReference):
        raise ValueError(
            f"{text!r} names nothing that can be downloaded: write hf://, https://, ollama:// or "
            "oci://"
        )
    return text


RelativePath = Annotated[str, AfterValidator(_check_path)]
Text = Annotated[str, AfterValidator(_check_not_blank)]
Uri = Annotated[str, AfterValidator(_check_uri)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntryFile(_Part):
    """One file, or one folder, of a model, and where it comes from."""

    path: RelativePath = Field(description="What it is called, relative to the model's folder")
    uri: Uri = Field(description="Where it comes from: hf://, https://, ollama://, oci://, ...")
    sha256: Sha256 | None = Field(
        default=None, description="Its checksum; left out = what the hub says when it is downloaded"
    )
    size: Size | None = Field(
        default=None, description="Bytes, or rounded as `484 MB`; left out = not known"
    )


class Weights(_Part):
    """Some of a model's weights, and how many bits one of them has in the file."""

    parameters: int = Field(gt=0, description="How many, as the model's makers round it")
    bits: float = Field(gt=0, le=64, description="Bits of one, on average")


class Footprint(_Part):
    """What the memory that a model needs is estimated from."""

    weights: tuple[Weights, ...] = Field(min_length=1, description="All weights of the model")
    kv_per_token: int | None = Field(
        default=None, gt=0, description="Bytes that one token of context takes in 16 bits"
    )

    @property
    def parameters(self) -> int:
        """Return how many weights the model has."""
        return sum(part.parameters for part in self.weights)

    @property
    def weight_bytes(self) -> int:
        """Return about how many bytes the weights have as they are in the files."""
        return sum(round(part.parameters * part.bits / 8) for part in self.weights)


class PartialCard(_Part):
    """What the entry says of the card that will be written for it."""

    model: RelativePath | None = Field(
        default=None, description="The model's file or folder; left out = the first of `files`"
    )
    options: dict[str, Any] = Field(
        default={}, description="Options of the backend; a path of `files` means that file"
    )
    defaults: Annotated[dict[str, Any], AsParameters()] = Field(
        default={}, description="Parameters for calls that leave them out"
    )
    limits: Limits = Field(
        default=Limits(), description="How much of the machine the model may take"
    )
    keep_alive: Duration | None = Field(
        default=None, description="How long the model stays loaded when idle"
    )


class Entry(_Part):
    """A model that this program can run."""

    name: ModelName = Field(description="What the model is installed as")
    description: str = Field(default="", description="What the model is, for people")
    licence: str | None = Field(default=None, description="Under what terms it may be used")
    capabilities: Capabilities = Field(description="What callers may ask for")
    backend: Text = Field(description="Which engine runs it")
    size: Size | None = Field(
        default=None,
        description="Bytes to download, or rounded as `2.5 GB`; left out = those of `files`",
    )
    files: tuple[EntryFile, ...] = Field(min_length=1, description="All that must be downloaded")
    card: PartialCard = Field(default=PartialCard(), description="What its card will say")
    footprint: Footprint | None = Field(
        default=None, description="What its memory is estimated from"
    )
    tags: tuple[str, ...] = Field(default=(), description="Words it can be found by")
    homepages: tuple[str, ...] = Field(default=(), description="Pages about the model")
    variants: tuple[ModelName, ...] = Field(
        default=(), description="Other entries that are the same model in another form"
    )
    notes: tuple[str, ...] = Field(
        default=(), description="What was lost when it was taken over from another format"
    )

    @property
    def download_size(self) -> int | None:
        """Return about how many bytes must be downloaded, None where that is not known."""
        if self.size is not None:
            return self.size
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None

    @property
    def unhashed(self) -> tuple[EntryFile, ...]:
        """Return the files whose checksum only the hub knows."""
        return tuple(file for file in self.files if file.sha256 is None)


class Unusable(_Part):
    """A model that the gallery names and this program cannot run, and why."""

    name: str
    reason: Text
    description: str = ""
    licence: str | None = None
    capabilities: tuple[Capability, ...] = ()
    tags: tuple[str, ...] = ()
    unfetched: bool = False
    """Whether it is not known at all yet, because something that it stands on did not come."""

    @classmethod
    def of(cls, entry: Entry, reason: str) -> Unusable:
        """Return an entry as one that cannot be run."""
        return cls(
            name=entry.name,
            reason=reason,
            description=entry.description,
            licence=entry.licence,
            capabilities=entry.capabilities,
            tags=entry.tags,
        )


class IndexFile(_Part):
    """A gallery's file."""

    description: str = Field(default="", description="What the gallery is, for people")
    models: tuple[Entry, ...] = Field(description="What can be installed")
    unusable: tuple[Unusable, ...] = Field(
        default=(), description="What cannot be, each with the reason"
    )
