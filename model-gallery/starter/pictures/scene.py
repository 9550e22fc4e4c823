"""What a picture shows, and which scenes no model may learn."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (215, 30, 35),
    "green": (35, 160, 65),
    "blue": (35, 75, 220),
    "yellow": (250, 220, 40),
    "orange": (248, 135, 20),
    "purple": (140, 45, 170),
    "black": (15, 15, 15),
    "white": (250, 250, 250),
}
BACKGROUNDS: dict[str, Colour] = {**COLOURS, "gray": (130, 130, 130)}
SHAPES = ("circle", "square", "triangle", "star", "cross", "heart")
COUNTS = (1, 2, 3)
HELD_OUT_PERCENT = 12


@dataclass(frozen=True)
class Scene:
    """Some shapes of one kind and one colour on a plain background."""

    count: int
    colour: str
    shape: str
    background: str = "white"


def all_scenes() -> Iterator[Scene]:
    """Yield every scene there is, 1152 of them."""
    for count in COUNTS:
        for colour in COLOURS:
            for shape in SHAPES:
                for background in BACKGROUNDS:
                    if background != colour:
                        yield Scene(count, colour, shape, background)


def is_held_out(scene: Scene) -> bool:
    """Tell whether a scene is kept from all training, the same on every machine."""
    name = f"{scene.count} {scene.colour} {scene.shape} {scene.background}"
    return int.from_bytes(sha256(name.encode()).digest()[:4], "big") % 100 < HELD_OUT_PERCENT
