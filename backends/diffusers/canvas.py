"""The size at which a picture is drawn, and the size at which it is answered."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image, ImageOps

Size = tuple[int, int]
_SMOOTH = Image.Resampling.LANCZOS


@dataclass(frozen=True, slots=True)
class Canvas:
    """Both sizes in pixels, width first."""

    drawn: Size
    answered: Size

    @property
    def pixels(self) -> int:
        """How many pixels the larger of both has."""
        return max(math.prod(self.drawn), math.prod(self.answered))

    def finish(self, image: Image.Image) -> Image.Image:
        """Bring a drawn picture to the answer's size, the overhang cut off evenly."""
        if image.size == self.answered:
            return image
        return ImageOps.fit(image, self.answered, _SMOOTH)

    def finish_edit(self, image: Image.Image) -> Image.Image:
        """Bring an edited picture to the answer's size, each pixel where it was in its source."""
        return image if image.size == self.answered else image.resize(self.answered, _SMOOTH)

    def source(self, image: Image.Image) -> Image.Image:
        """Bring a caller's picture to the answer's size, the overhang cut off evenly."""
        return image if image.size == self.answered else ImageOps.fit(image, self.answered, _SMOOTH)

    def prepare(self, source: Image.Image) -> Image.Image:
        """Bring a picture of the answer's size to the size at which the model draws."""
        return source if source.size == self.drawn else source.resize(self.drawn, _SMOOTH)


def canvas_for(answered: Size, multiple: int, native: Size | None) -> Canvas:
    """Return a canvas whose drawn sides are multiples of `multiple`.

    With `native`, it is drawn with about as many pixels as that in the answer's proportions.
    """
    width, height = answered
    if native is not None:
        scale = math.sqrt(math.prod(native) / math.prod(answered))
        nearest = (round(width * scale / multiple), round(height * scale / multiple))
        return Canvas(
            (_at_least_one(nearest[0], multiple), _at_least_one(nearest[1], multiple)), answered
        )
    drawn = (math.ceil(width / multiple) * multiple, math.ceil(height / multiple) * multiple)
    return Canvas(drawn, answered)


def _at_least_one(times: int, multiple: int) -> int:
    return max(1, times) * multiple
