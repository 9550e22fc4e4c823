"""The typed requests for pictures: generations, edits and variations.

Source: OpenAI's specification, `CreateImageRequest`, `CreateImageEditRequest` and
`CreateImageVariationRequest`, with the usual local extensions.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from localai.protocol.wire import Wire

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
LARGEST_SIDE = 4096
"""Pixels; beyond that a picture is refused before any engine tries."""


def _check_size(size: str) -> str:
    found = _SIZE.fullmatch(size)
    if size == "auto":
        return size
    if found is None:
        raise ValueError("should be 'auto' or WIDTHxHEIGHT, as '512x512'")
    if not all(16 <= int(side) <= LARGEST_SIDE for side in found.groups()):
        raise ValueError(f"each side should have 16 to {LARGEST_SIDE} pixels")
    return size


Size = Annotated[str, AfterValidator(_check_size)]


class Drawing(Wire):
    """What all three requests share; None means that the caller left it out."""

    no_effect = frozenset(
        {
            "prompt", "image", "images", "mask", "model", "n", "response_format", "output_format",
            "output_compression", "stream", "partial_images", "user", "moderation",
            "safety_identifier", "metadata",
        }
    )  # fmt: skip
    plain_values = {
        "size": ("auto",), "quality": ("auto",), "background": ("auto", "opaque"),
        "negative_prompt": ("",), "input_fidelity": ("low",), "style": ("vivid",),
    }  # fmt: skip

    model: str | None = None
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    size: Size | None = None
    response_format: Literal["url", "b64_json"] | None = None
    user: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    steps: Annotated[int, Field(ge=1, le=200)] | None = None

    def width_and_height(self) -> tuple[int, int] | None:
        """Return the wanted size in pixels, None for the model's own."""
        if self.size is None or self.size == "auto":
            return None
        width, _, height = self.size.partition("x")
        return int(width), int(height)


class _Described(Drawing):
    """What generations and edits share."""

    prompt: Annotated[str, Field(min_length=1, max_length=32_000)]
    quality: Literal["standard", "hd", "low", "medium", "high", "auto"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    negative_prompt: str | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=50)] | None = None
    moderation: Any = None
    safety_identifier: str | None = None
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _compression_needs_its_format(self) -> Self:
        if self.output_compression not in (None, 100) and self.output_format in (None, "png"):
            raise ValueError(
                "'output_compression' is for output_format jpeg and webp; a png is always whole"
            )
        return self

    @model_validator(mode="after")
    def _transparency_needs_its_format(self) -> Self:
        if self.background == "transparent" and self.output_format == "jpeg":
            raise ValueError("'background' cannot be transparent in a jpeg; choose png or webp")
        return self

    @model_validator(mode="after")
    def _streams_carry_pictures(self) -> Self:
        if self.partial_images and not self.stream:
            raise ValueError("'partial_images' is only allowed when 'stream' is true")
        if self.stream and self.response_format == "url":
            raise ValueError("'response_format' cannot be url in a stream, which carries b64_json")
        return self


class ImageRequest(_Described):
    """`POST /v1/images/generations`."""

    style: Literal["vivid", "natural"] | None = None


class ImageEditRequest(_Described):
    """`POST /v1/images/edits`; pictures are paths that the gateway has written to disk."""

    images: Annotated[list[str], Field(min_length=1, max_length=16)]
    mask: str | None = None
    """Where the picture may change: transparent pixels, as in OpenAI's."""
    input_fidelity: Literal["high", "low"] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] | None = None


class PictureReference(Wire):
    """A picture of the JSON form of an edit: by its address, which may be a data URI."""

    image_url: str | None = None
    file_id: str | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.image_url is None) == (self.file_id is None):
            raise ValueError("should have either 'image_url' or 'file_id'")
        return self


class ReferringImageEdit(_Described):
    """`POST /v1/images/edits` as JSON: its pictures are addresses; the gateway fetches them.

    Source: OpenAI's specification, `EditImageBodyJsonParam`.
    """

    images: Annotated[list[PictureReference], Field(min_length=1, max_length=16)]
    mask: PictureReference | None = None
    input_fidelity: Literal["high", "low"] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] | None = None


class ImageVariationRequest(Drawing):
    """`POST /v1/images/variations`; the picture is a path that the gateway has written to disk."""

    image: str
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
