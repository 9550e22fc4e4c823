"""Turns pictures into the bytes of an image file: PNG, JPEG or WebP."""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image

from localai.worker.picture_decoding import on_white

PictureFormat = Literal["png", "jpeg", "webp"]
_PNG_EFFORT = 3
"""zlib's level: a fifth larger than at its default of 6, in a third of the time."""


def encode_picture(image: Image.Image, kind: PictureFormat, compression: int = 100) -> bytes:
    """Return `image` as a file of `kind`; `compression` is the quality of JPEG and WebP, 0 to 100.

    Transparency lasts in PNG and WebP, and becomes white in JPEG.
    """
    file = io.BytesIO()
    if kind == "png":
        image.save(file, "PNG", compress_level=_PNG_EFFORT)
    elif kind == "webp":
        image.save(file, "WEBP", quality=compression)
    else:
        on_white(image).save(file, "JPEG", quality=max(1, compression))
    return file.getvalue()
