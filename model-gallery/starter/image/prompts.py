"""What the text encoder and the denoiser are told about a scene."""

from dataclasses import dataclass
from functools import cache
from random import Random

from pictures import BACKGROUNDS, COLOURS, COUNTS, SHAPES, Scene, phrasings

PARTIAL_SHARE = 0.08


@dataclass(frozen=True)
class Told:
    """A prompt, and as class numbers what it tells; 0 for what it leaves open."""

    text: str
    count: int = 0
    colour: int = 0
    shape: int = 0
    background: int = 0


SIZES = (len(COUNTS) + 1, len(COLOURS) + 1, len(SHAPES) + 1, len(BACKGROUNDS) + 1)


def prompt(scene: Scene, random: Random) -> Told:
    """Return a random prompt for a scene; one in twelve names only a part of it."""
    whole = Told(
        random.choice(_phrasings(scene)),
        scene.count,
        1 + list(COLOURS).index(scene.colour),
        1 + SHAPES.index(scene.shape),
        1 + list(BACKGROUNDS).index(scene.background),
    )
    return _part(scene, whole, random) if random.random() < PARTIAL_SHARE else whole


def _part(scene: Scene, whole: Told, random: Random) -> Told:
    return random.choice(
        [
            Told(""),
            Told(scene.colour, colour=whole.colour),
            Told(f"{scene.colour} shapes", colour=whole.colour),
            Told(scene.shape, shape=whole.shape),
            Told(f"a {scene.shape}", shape=whole.shape),
            Told(f"{scene.background} background", background=whole.background),
            Told(f"a {scene.background} background", background=whole.background),
            Told(f"{scene.count} shapes", count=whole.count),
        ]
    )


@cache
def _phrasings(scene: Scene) -> list[str]:
    return phrasings(scene)
