"""Drawn pictures in OpenAI's shapes: one `ImagesResponse`, or a stream of events.

Source: OpenAI's specification, `ImagesResponse`, `ImageGenStreamEvent`, `ImageEditStreamEvent`.
"""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

from starlette.responses import Response

from localai.errors import LocalAIError
from localai.protocol import sse
from localai.protocol.asgi import json_response
from localai.protocol.events import Usage
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from localai.worker.picture_encoding import PictureFormat, encode_picture
from localai.worker.results import Picture, Step

Json = dict[str, Any]
Asked = ImageRequest | ImageEditRequest | ImageVariationRequest
_QUALITIES = {"low": "low", "high": "high", "hd": "high"}
_NAMED_SIZES = frozenset({"1024x1024", "1024x1536", "1536x1024"})
"""The only ones that the specification's `ImagesResponse` may name."""


class PictureForm:
    """Collects the pictures of one answer, or turns them into events as they come."""

    stream_type = sse.CONTENT_TYPE

    def __init__(self, asked: Asked) -> None:
        described = None if isinstance(asked, ImageVariationRequest) else asked
        self._kind = "image_edit" if isinstance(asked, ImageEditRequest) else "image_generation"
        self._format: PictureFormat = (described and described.output_format) or "png"
        compression = described.output_compression if described else None
        self._compression = 100 if compression is None else compression
        self._quality = _QUALITIES.get((described and described.quality) or "", "medium")
        self._created = int(time.time())
        self._pictures: list[Picture] = []

    def collect(self, event: Step | Picture | Usage) -> None:
        """Keep the finished pictures."""
        if isinstance(event, Picture) and event.partial is None:
            self._pictures.append(event)

    async def whole(self) -> Response:
        """Return all pictures in base64, `usage` last, where the gateway looks for it."""
        pictures = sorted(self._pictures, key=lambda picture: picture.index)
        answer: Json = {
            "created": self._created,
            "data": [{"b64_json": await self._encode(picture)} for picture in pictures],
            "output_format": self._format,
            "quality": self._quality,
            "background": _background(pictures[0]),
        }
        sizes = {_size(picture) for picture in pictures}
        if len(sizes) == 1 and sizes <= _NAMED_SIZES:
            answer["size"] = sizes.pop()
        return json_response(answer | {"usage": _usage(pictures)})

    async def pieces(self, event: Step | Picture | Usage) -> bytes:
        """Return a picture's event; a step becomes a comment, which clients pass over."""
        if isinstance(event, Step):
            return b": progress %d/%d\n\n" % (event.done, event.total)
        if isinstance(event, Usage):
            return b""
        payload = await self._event(event)
        return b"event: %b\n" % payload["type"].encode() + sse.data_frame(payload)

    async def ending(self) -> bytes:
        """Return the frame that ends a complete stream."""
        return sse.DONE

    def failure(self, error: LocalAIError) -> bytes:
        """Return the frame that ends a failed stream."""
        return sse.error_frame(error)

    async def _event(self, picture: Picture) -> Json:
        is_partial = picture.partial is not None
        event: Json = {
            "type": f"{self._kind}.{'partial_image' if is_partial else 'completed'}",
            "b64_json": await self._encode(picture),
            "created_at": int(time.time()),
            "size": _size(picture),
            "quality": self._quality,
            "background": _background(picture),
            "output_format": self._format,
        }
        if is_partial:
            return event | {"partial_image_index": picture.partial}
        return event | {"usage": _usage([picture])}

    async def _encode(self, picture: Picture) -> str:
        return await asyncio.to_thread(_in_base64, picture, self._format, self._compression)


def _in_base64(picture: Picture, kind: PictureFormat, compression: int) -> str:
    return base64.b64encode(encode_picture(picture.image, kind, compression)).decode("ascii")


def _size(picture: Picture) -> str:
    return f"{picture.image.width}x{picture.image.height}"


def _background(picture: Picture) -> str:
    return "transparent" if picture.image.has_transparency_data else "opaque"


def _usage(pictures: list[Picture]) -> Json:
    text = sum(picture.text_tokens for picture in pictures)
    image = sum(picture.image_tokens for picture in pictures)
    output = sum(picture.output_tokens for picture in pictures)
    return {
        "input_tokens": text + image,
        "output_tokens": output,
        "total_tokens": text + image + output,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
    }
