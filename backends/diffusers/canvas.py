"""The size at which a picture is drawn, and the size at which it is answered."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

Size = tuple[int, int]
_SMOOTH = Image.Resampling.LANCZOS


@dataclass(frozen=True, slots=True)
class Canvas:
    """Both sizes in pixels, width first.

    They have the same proportions but for a few pixels, or `is_native`: then the drawn size is the
    model's own, and what is missing beside or above a picture repeats its edges.
    """

    drawn: Size
    answered: Size
    is_native: bool = False

    def finish(self, image: Image.Image) -> Image.Image:
        """Bring a drawn picture to the answer's size."""
        if image.size == self.answered:
            return image
        if self.is_native:
            return _framed(image, self.answered)
        return ImageOps.fit(image, self.answered, _SMOOTH)

    def source(self, image: Image.Image) -> Image.Image:
        """Bring a caller's picture to the answer's size, the overhang cut off evenly."""
        return image if image.size == self.answered else ImageOps.fit(image, self.answered, _SMOOTH)

    def prepare(self, source: Image.Image) -> Image.Image:
        """Bring a picture of the answer's size to the size at which the model draws."""
        if source.size == self.drawn:
            return source
        if self.is_native:
            return _framed(source, self.drawn)
        return source.resize(self.drawn, _SMOOTH)

    def finish_edit(self, image: Image.Image) -> Image.Image:
        """Undo `prepare`: each pixel comes back to where it was in its source."""
        if image.size == self.answered:
            return image
        box = _place(self.answered, self.drawn) if self.is_native else None
        return image.resize(self.answered, _SMOOTH, box)


def canvas_for(answered: Size, multiple: int, native: Size | None) -> Canvas:
    """Return a canvas of the model's `native` size, else one with sides of whole `multiple`s."""
    if native is not None:
        return Canvas(native, answered, is_native=True)
    width, height = (math.ceil(side / multiple) * multiple for side in answered)
    return Canvas((width, height), answered)


def _place(inner: Size, frame: Size) -> tuple[int, int, int, int]:
    """Return where a picture lies that fills a frame as far as its proportions allow."""
    scale = min(frame[0] / inner[0], frame[1] / inner[1])
    width, height = (max(1, min(f, round(i * scale))) for i, f in zip(inner, frame, strict=True))
    left, top = (frame[0] - width) // 2, (frame[1] - height) // 2
    return left, top, left + width, top + height


def _framed(image: Image.Image, frame: Size) -> Image.Image:
    left, top, right, bottom = _place(image.size, frame)
    pixels = np.asarray(image.resize((right - left, bottom - top), _SMOOTH))
    missing = [(top, frame[1] - bottom), (left, frame[0] - right), (0, 0)][: pixels.ndim]
    return Image.fromarray(np.pad(pixels, missing, mode="edge"))
