"""Random scenes that may be learned, and their pictures as tensors."""

from random import Random

import numpy
import torch
from pictures import COLOURS, COUNTS, SHAPES, Scene, all_scenes, draw, is_held_out
from torch import Tensor

from .model import SIDE

PLAIN_SHARE = 0.35
CountWeights = tuple[float, float, float]
COUNT_WEIGHTS: CountWeights = (0.26, 0.34, 0.40)


def plain_scene(random: Random, weights: CountWeights) -> Scene:
    """Return a scene on the background that goes without saying."""
    (count,) = random.choices(COUNTS, weights)
    colour = random.choice(list(COLOURS))
    background = "black" if colour == "white" else "white"
    return Scene(count, colour, random.choice(SHAPES), background)


class Scenes:
    """Draws scenes at random, none of them held out."""

    def __init__(self, random: Random, weights: CountWeights = COUNT_WEIGHTS) -> None:
        self._random = random
        self._weights = weights
        self._by_count = {
            count: [s for s in all_scenes() if s.count == count and not is_held_out(s)]
            for count in COUNTS
        }

    def next(self) -> Scene:
        """Return a scene; more than every third is on a plain white or black background."""
        if self._random.random() < PLAIN_SHARE:
            scene = plain_scene(self._random, self._weights)
            if not is_held_out(scene):
                return scene
        (count,) = self._random.choices(COUNTS, self._weights)
        return self._random.choice(self._by_count[count])

    def pictures(self, scenes: list[Scene], least: float = 0.0) -> Tensor:
        """Return pictures of scenes, [number, 3, SIDE, SIDE] from -1 to 1.

        `least` is the smallest size of the shapes, on the scale of `draw`.
        """
        drawn = [numpy.asarray(draw(one, SIDE, self._random, least=least)) for one in scenes]
        pixels = torch.from_numpy(numpy.stack(drawn)).permute(0, 3, 1, 2)
        return pixels.float() / 127.5 - 1.0
