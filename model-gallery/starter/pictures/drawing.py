"""Draws a scene with smooth edges."""

import math
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

from .scene import BACKGROUNDS, Colour, Scene

Point = tuple[float, float]

FINER = 4
GAP = 0.07
# Shares of the picture's side: smallest and largest radius of the circle around a shape.
RADII = {1: (0.24, 0.44), 2: (0.18, 0.27), 3: (0.16, 0.22)}


@dataclass(frozen=True)
class Place:
    """Centre and radius of a shape in shares of the picture's side, and its tilt in degrees."""

    x: float
    y: float
    radius: float
    tilt: float = 0.0


def draw(
    scene: Scene,
    size: int,
    random: Random,
    tilt: float = 0.0,
    jitter: int = 6,
    least: float = 0.0,
) -> Image.Image:
    """Return a square RGB picture of a scene.

    `tilt` is the most degrees that a shape is turned, `jitter` the most that a colour's
    red, green or blue differs from its anchor (0 to 255), `least` the smallest shape on a
    scale from the smallest (0) to the largest (1) there is.
    """
    ground = _near(BACKGROUNDS[scene.background], jitter, random)
    colour = _near(BACKGROUNDS[scene.colour], jitter, random)
    picture = Image.new("RGB", (size, size), ground)
    mask = Image.new("L", (size * FINER, size * FINER), 0)
    pen = ImageDraw.Draw(mask)
    for place in places(scene.count, random, tilt, least):
        points = outline(scene.shape, place)
        pen.polygon([(x * mask.width, y * mask.height) for x, y in points], fill=255)
    picture.paste(colour, mask=mask.reduce(FINER))
    return picture


def places(count: int, random: Random, tilt: float = 0.0, least: float = 0.0) -> list[Place]:
    """Return random places whose circles keep apart from each other and from the border."""
    smallest, largest = RADII[count]
    smallest += least * (largest - smallest)
    while True:
        size = random.uniform(smallest, largest)
        found: list[Place] = []
        for _ in range(40 * count):
            radius = min(largest, max(smallest, size * random.uniform(0.9, 1.1)))
            low, high = radius + 0.02, 0.98 - radius
            x, y = random.uniform(low, high), random.uniform(low, high)
            if all(math.dist((x, y), (o.x, o.y)) > radius + o.radius + GAP for o in found):
                found.append(Place(x, y, radius, random.uniform(-tilt, tilt)))
            if len(found) == count:
                return found


def outline(shape: str, place: Place) -> list[Point]:
    """Return the corners of a shape at a place, in shares of the picture's side."""
    turn = math.radians(place.tilt)
    cos, sin = math.cos(turn) * place.radius, math.sin(turn) * place.radius
    return [(place.x + x * cos - y * sin, place.y + x * sin + y * cos) for x, y in OUTLINES[shape]]


def _ring(corners: int, radii: tuple[float, ...], drop: float = 0.0) -> list[Point]:
    angles = [2 * math.pi * corner / corners - math.pi / 2 for corner in range(corners)]
    reach = [radii[corner % len(radii)] for corner in range(corners)]
    return [
        (r * math.cos(angle), r * math.sin(angle) + drop)
        for r, angle in zip(reach, angles, strict=True)
    ]


def _heart() -> list[Point]:
    angles = [2 * math.pi * step / 64 for step in range(64)]
    return [
        (
            math.sin(a) ** 3,
            -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 16,
        )
        for a in angles
    ]


def _cross(arm: float, reach: float) -> list[Point]:
    quarter = [(arm, -reach), (arm, -arm), (reach, -arm)]
    corners = []
    for _ in range(4):
        corners += quarter
        quarter = [(-y, x) for x, y in quarter]
    return corners


def _near(colour: Colour, jitter: int, random: Random) -> Colour:
    red, green, blue = (min(255, max(0, part + random.randint(-jitter, jitter))) for part in colour)
    return red, green, blue


OUTLINES: dict[str, list[Point]] = {
    "circle": _ring(96, (0.95,)),
    "square": [(-0.74, -0.74), (0.74, -0.74), (0.74, 0.74), (-0.74, 0.74)],
    "triangle": _ring(3, (1.1,), drop=0.2),
    "star": _ring(10, (1.05, 0.5), drop=0.05),
    "cross": _cross(0.32, 0.92),
    "heart": _heart(),
}
