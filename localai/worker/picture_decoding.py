"""Reads the pictures that a caller sent: told by their bytes, upright, of a bearable size."""

from __future__ import annotations

import struct
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from localai.errors import InvalidRequest

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_PIXELS = 64_000_000
"""A small file can unpack into far more memory than there is."""
_STUMBLES = (
    OSError, EOFError, SyntaxError, ValueError,
    ArithmeticError, AttributeError, LookupError, TypeError, struct.error,
)  # fmt: skip
"""What Pillow raises for broken pictures, and in the second line for broken EXIF."""


def read_picture(path: str | Path, *, param: str) -> Image.Image:
    """Return the picture in a file, turned as its camera noted; mode RGB, or RGBA with an alpha.

    Raises InvalidRequest that names `param` for what is no whole PNG, JPEG or WebP, and for more
    than MOST_PIXELS pixels.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image, param)
            upright = in_eight_bits(ImageOps.exif_transpose(image))
            return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except InvalidRequest:
        raise
    except UnidentifiedImageError:
        raise InvalidRequest(f"'{param}' is no PNG, JPEG or WebP picture.", param=param) from None
    except Image.DecompressionBombError as error:
        raise InvalidRequest(f"'{param}' is too large: {error}", param=param) from None
    except _STUMBLES as error:
        raise InvalidRequest(f"'{param}' is a broken picture: {error}.", param=param) from None


def in_eight_bits(image: Image.Image) -> Image.Image:
    """Return a picture of greys in 16 bits as one in 8, any other as it is."""
    if image.mode != "I;16":
        return image
    # Pillow's own conversion takes all but the darkest greys for white.
    grey = image.point(lambda value: value / 257).convert("L")
    if "transparency" in grey.info:
        grey.info["transparency"] //= 257
    return grey


def on_white(image: Image.Image) -> Image.Image:
    """Return a picture in mode RGB, on white where it is transparent."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _check_size(image: Image.Image, param: str) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise InvalidRequest(
            f"'{param}' has {width}x{height} pixels, more than {MOST_PIXELS // 1_000_000} million.",
            param=param,
        )
