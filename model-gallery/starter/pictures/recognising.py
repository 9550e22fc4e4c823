"""Reads a scene back from the pixels of a picture, without any model."""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from .drawing import FINER, Place, outline
from .scene import BACKGROUNDS, SHAPES, Scene

Pixels = NDArray[numpy.floating[Any]]
Mask = NDArray[numpy.bool_]

SIDE = 128
GRID = 24
DIFFERENT = 40.0
EDGE = 0.55
LEAST_SHARE = 0.008
LEAST_MATCH = 0.62
TILTS = (-14, -7, 0, 7, 14)
BLURS = (0.0, 0.025, 0.05)


@dataclass(frozen=True)
class Blob:
    """One coloured spot of a picture: its colour's name and its kind of shape."""

    colour: str
    shape: str


def recognise(image: Image.Image) -> Scene | None:
    """Return what a picture shows, or None where it is no scene of this kind."""
    pixels = _pixels(image)
    border = numpy.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = numpy.median(border, axis=0).astype(numpy.float32)
    background = _name(ground)
    spots = _spots(_cover(pixels, ground))
    blobs = {_blob(pixels, spot, ground) for spot in spots}
    if len(blobs) != 1 or len(spots) > 3:
        return None
    blob = blobs.pop()
    if blob is None or blob.colour not in BACKGROUNDS or blob.colour in ("gray", background):
        return None
    return Scene(len(spots), blob.colour, blob.shape, background)


def _pixels(image: Image.Image) -> Pixels:
    picture = image.convert("RGB")
    longest = max(picture.size)
    if longest > SIDE:
        width, height = (max(1, round(side * SIDE / longest)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BOX)
    return numpy.asarray(picture, dtype=numpy.float32)


def _cover(pixels: Pixels, ground: Pixels) -> Mask:
    """Return where a picture is nearer to the shapes' colour than to the background's."""
    distance = numpy.linalg.norm(pixels - ground, axis=2)
    different = distance[distance > DIFFERENT]
    least = EDGE * float(numpy.median(different)) if len(different) else 0.0
    cover: Mask = distance > max(DIFFERENT, least)
    return cover


def _name(colour: Pixels) -> str:
    anchors = numpy.array(list(BACKGROUNDS.values()), dtype=numpy.float32)
    return list(BACKGROUNDS)[int(numpy.linalg.norm(anchors - colour, axis=1).argmin())]


def _spots(mask: Mask) -> list[Mask]:
    """Return the connected parts of a mask that are not specks."""
    left = {(int(y), int(x)) for y, x in zip(*mask.nonzero(), strict=True)}
    spots = []
    while left:
        waiting = [left.pop()]
        part = numpy.zeros_like(mask)
        while waiting:
            y, x = waiting.pop()
            part[y, x] = True
            near = {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} & left
            left -= near
            waiting.extend(near)
        if part.sum() >= LEAST_SHARE * mask.size:
            spots.append(part)
    return spots


def _blob(pixels: Pixels, spot: Mask, ground: Pixels) -> Blob | None:
    """Name colour and shape of a spot, or return None for no known shape."""
    inside = pixels[spot]
    distance = numpy.linalg.norm(inside - ground, axis=1)
    core = inside[distance >= numpy.median(distance) * 0.9]
    colour = Counter(_name(pixel) for pixel in core).most_common(1)[0][0]
    step = numpy.median(core, axis=0) - ground
    cover = numpy.where(spot, (pixels - ground) @ step / (step @ step), 0.0).clip(0.0, 1.0)
    shape = _shape(cover.astype(numpy.float32))
    return Blob(colour, shape) if shape else None


def _shape(cover: Pixels) -> str | None:
    found = _framed(cover)
    if found is None:
        return None
    match = {shape: max(_overlap(found, form) for form in _forms(shape)) for shape in SHAPES}
    best = max(match, key=lambda shape: match[shape])
    return best if match[best] >= LEAST_MATCH else None


def _framed(cover: Pixels) -> Pixels | None:
    """Cut a mask (0 to 1) to its box and bring it to GRID x GRID."""
    rows, columns = (numpy.flatnonzero((cover > 0.5).any(axis=axis)) for axis in (1, 0))
    if len(rows) < 4 or len(columns) < 4 or not 0.6 < len(rows) / len(columns) < 1.6:
        return None
    box = cover[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    picture = Image.fromarray((box * 255).astype(numpy.uint8))
    small = picture.resize((GRID, GRID), Image.Resampling.BILINEAR)
    return numpy.asarray(small, dtype=numpy.float32) / 255


def _overlap(one: Pixels, other: Pixels) -> float:
    return float(numpy.minimum(one, other).sum() / numpy.maximum(one, other).sum())


@cache
def _forms(shape: str) -> list[Pixels]:
    """Return the framed masks of a shape at several tilts, sharp and blurred."""
    forms = []
    for tilt in TILTS:
        large = Image.new("L", (SIDE * FINER, SIDE * FINER), 0)
        points = outline(shape, Place(0.5, 0.5, 0.3, tilt))
        corners = [(x * large.width, y * large.height) for x, y in points]
        ImageDraw.Draw(large).polygon(corners, fill=255)
        for blur in BLURS:
            soft = large.reduce(FINER).filter(ImageFilter.GaussianBlur(blur * SIDE))
            framed = _framed(numpy.asarray(soft, dtype=numpy.float32) / 255)
            if framed is not None:
                forms.append(framed)
    return forms
