"""Draws scenes in more ways than a picture model needs: any aspect, size, place and shade."""

import math
from dataclasses import dataclass
from random import Random

from pictures.drawing import Place, outline
from pictures.scene import BACKGROUNDS, Colour, Scene
from PIL import Image, ImageDraw

FINER = 4
SHADES: dict[str, tuple[Colour, ...]] = {
    "red": ((255, 0, 0), (220, 20, 60), (200, 0, 0), (230, 50, 40)),
    "green": ((0, 128, 0), (0, 255, 0), (0, 170, 60), (50, 205, 50), (40, 110, 50)),
    "blue": ((0, 0, 255), (30, 100, 240), (20, 40, 160), (65, 105, 225)),
    "yellow": ((255, 255, 0), (255, 215, 0), (240, 230, 60)),
    "orange": ((255, 165, 0), (255, 140, 0), (255, 127, 14), (245, 120, 30)),
    "purple": ((128, 0, 128), (160, 32, 240), (110, 40, 150), (148, 60, 190)),
    "black": ((0, 0, 0), (25, 25, 25)),
    "white": ((255, 255, 255), (240, 240, 240)),
    "gray": ((128, 128, 128), (105, 105, 105), (150, 150, 150), (169, 169, 169)),
}
LARGEST = {1: 0.49, 2: 0.3, 3: 0.25}
SMALLEST = {1: 0.16, 2: 0.14, 3: 0.13}
STRETCH = {"triangle": 0.3, "heart": 0.15, "star": 0.1, "cross": 0.15, "square": 0.05}


@dataclass(frozen=True)
class Canvas:
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def short(self) -> int:
        """Return the shorter side."""
        return min(self.width, self.height)


@dataclass(frozen=True)
class Sketch:
    """An RGB picture, the mask of its shapes, and their places in pixels."""

    image: Image.Image
    mask: Image.Image
    places: tuple[Place, ...]


def sketch(scene: Scene, canvas: Canvas, random: Random, hard: float = 1.0) -> Sketch:
    """Return a picture of a scene with smooth edges.

    `hard` is 0.0 for large shapes that stand upright up to 1.0 for all sizes and turns.
    """
    ground, colour = _shades(scene, random)
    picture = Image.new("RGB", (canvas.width, canvas.height), ground)
    mask = Image.new("L", (canvas.width * FINER, canvas.height * FINER), 0)
    pen = ImageDraw.Draw(mask)
    stretch = math.exp(random.uniform(-1.0, 1.0) * STRETCH.get(scene.shape, 0.05))
    turn = _turn(random) if random.random() < hard else 0.0
    places = _places(scene.count, canvas, random, hard)
    for place in places:
        around = Place(0.0, 0.0, place.radius * FINER, turn + random.uniform(-5.0, 5.0))
        x, y = place.x * FINER, place.y * FINER
        points = [
            (x + dx * min(1.0, stretch), y + dy * min(1.0, 1.0 / stretch))
            for dx, dy in outline(scene.shape, around)
        ]
        pen.polygon(points, fill=255)
    mask = mask.reduce(FINER)
    picture.paste(colour, mask=mask)
    return Sketch(picture, mask, tuple(places))


def _turn(random: Random) -> float:
    chance = random.random()
    if chance < 0.5:
        return 0.0
    return random.uniform(-20.0, 20.0) if chance < 0.95 else random.uniform(-180.0, 180.0)


def _places(count: int, canvas: Canvas, random: Random, hard: float) -> list[Place]:
    """Return places in pixels whose circles keep apart and inside, more room in long canvases."""
    wide = min(1.8, math.sqrt(max(canvas.width, canvas.height) / canvas.short))
    largest = min(0.49, LARGEST[count] * (wide if count > 1 else 1.0))
    while True:
        smallest = hard * SMALLEST[count] + (1.0 - hard) * 0.7 * LARGEST[count]
        size = random.uniform(smallest, largest) * canvas.short
        found: list[Place] = []
        for _ in range(30 * count):
            radius = size * random.uniform(0.85, 1.0)
            x = random.uniform(radius, canvas.width - radius)
            y = random.uniform(radius, canvas.height - radius)
            gap = 0.04 * canvas.short
            if all(math.dist((x, y), (o.x, o.y)) > radius + o.radius + gap for o in found):
                found.append(Place(x, y, radius))
            if len(found) == count:
                return _centred(found[0], canvas, random) if count == 1 else found


def _centred(place: Place, canvas: Canvas, random: Random) -> list[Place]:
    if random.random() < 0.6:
        return [place]
    return [Place(canvas.width / 2, canvas.height / 2, place.radius)]


def _shades(scene: Scene, random: Random) -> tuple[Colour, Colour]:
    """Return ground and colour, chosen again where they can hardly be told apart."""
    while True:
        ground, colour = _shade(scene.background, random), _shade(scene.colour, random)
        if math.dist(ground, colour) > 50:
            return ground, colour


def _shade(name: str, random: Random) -> Colour:
    base = BACKGROUNDS[name] if random.random() < 0.55 else random.choice(SHADES[name])
    red, green, blue = (min(255, max(0, part + random.randint(-10, 10))) for part in base)
    return (red, green, blue) if random.random() < 0.7 else base
