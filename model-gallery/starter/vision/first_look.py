"""The first stage of the training: the encoder learns to tell scenes apart, without language."""

# Where torch is not installed its classes are unknown; a "type: ignore" would be unused with it.
# mypy: disallow-subclassing-any=False

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from pictures.scene import BACKGROUNDS, COLOURS, COUNTS, SHAPES, Scene, is_held_out
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from .fitting import SIDE, Pixels, fit, worn
from .model import Eyes, EyesShape
from .say import say
from .sketch import Canvas, sketch
from .teacher import Teacher

PATCH = 12
GRID = SIDE // PATCH
BATCH = 48
STEPS = 2000
EASY_SHARE = 0.5
FINE = 6
INNER = 2
SPOKEN = (len(COUNTS), len(COLOURS), len(SHAPES), len(BACKGROUNDS))


def some_scene(random: Random, held_out: bool = False) -> Scene:
    """Return a scene, by default one of those that may be learned."""
    while True:
        background = "white" if random.random() < 0.25 else random.choice(list(BACKGROUNDS))
        colour, shape = random.choice(list(COLOURS)), random.choice(SHAPES)
        scene = Scene(random.choice(COUNTS), colour, shape, background)
        if colour != background and is_held_out(scene) == held_out:
            return scene


def some_canvas(random: Random, hard: float) -> Canvas:
    """Return a canvas whose longer side is SIDE, every second one a square or, if easy, all."""
    if random.random() < 1.0 - 0.5 * hard:
        return Canvas(SIDE, SIDE)
    short = round(SIDE * math.exp(-random.uniform(0.0, 1.0) * math.log(3.0)))
    return Canvas(SIDE, short) if random.random() < 0.5 else Canvas(short, SIDE)


@dataclass(frozen=True)
class Look:
    """What the model sees of a scene, side x side x 3, and where it shows what.

    `shapes` has one number for each patch: 0 for the ground, else 1 + the place in SHAPES;
    `middles` is 1.0 where the patch holds the middle of a shape; `covers` says how much of each
    FINE x FINE part of a patch is covered.
    """

    scene: Scene
    pixels: Pixels
    shapes: NDArray[np.int64]
    middles: NDArray[np.float32]
    covers: NDArray[np.float32]


def long_canvas(random: Random) -> Canvas:
    """Return a canvas one and a half to three and a half times as long as wide, or as high."""
    short = round(SIDE * math.exp(-random.uniform(math.log(1.5), math.log(3.5))))
    return Canvas(SIDE, short) if random.random() < 0.5 else Canvas(short, SIDE)


def look(scene: Scene, random: Random, hard: float = 1.0, long: float = 0.0) -> Look:
    """Return some picture of a scene, an easy one for hard = 0.0, a share of them long."""
    is_long = long > 0.0 and random.random() < long
    canvas = long_canvas(random) if is_long else some_canvas(random, hard)
    drawn = sketch(scene, canvas, random, hard)
    image = worn(drawn.image, random) if random.random() < hard else drawn.image
    pixels = np.asarray(fit(image))
    corner = ((SIDE - canvas.width) // 2, (SIDE - canvas.height) // 2)
    shapes = np.zeros((GRID, GRID), dtype=np.int64)
    middles = np.zeros((GRID, GRID), dtype=np.float32)
    lines = (np.arange(GRID) + 0.5) * PATCH
    for place in drawn.places:
        x, y = place.x + corner[0], place.y + corner[1]
        far = np.hypot(lines[None, :] - x, lines[:, None] - y)
        shapes[far < place.radius] = 1 + SHAPES.index(scene.shape)
        at = (min(GRID - 1, int(y / PATCH)), min(GRID - 1, int(x / PATCH)))
        shapes[at], middles[at] = 1 + SHAPES.index(scene.shape), 1.0
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(drawn.mask, corner)
    fine = np.asarray(mask.reduce(PATCH // FINE), dtype=np.float32) / np.float32(255)
    covers = fine.reshape(GRID, FINE, GRID, FINE).swapaxes(1, 2).reshape(GRID**2, FINE**2)
    return Look(scene, pixels, shapes.ravel(), middles.ravel(), covers)


class Glimpse(nn.Module):
    """Reads count, colour, shape and background from embeddings, and what each patch shows."""

    def __init__(self, shape: EyesShape) -> None:
        super().__init__()
        width, inner = shape.output, shape.width
        self.covers = nn.Sequential(nn.LayerNorm(inner), nn.Linear(inner, FINE**2))
        self.norm = nn.RMSNorm(width)
        self.queries = nn.Linear(width, len(SPOKEN), bias=False)
        self.names = nn.ModuleList(nn.Linear(width, names) for names in SPOKEN)
        self.shapes = nn.Linear(width, 1 + len(SHAPES))
        self.middles = nn.Linear(width, 1)

    def forward(self, seen: Tensor) -> list[Tensor]:
        """Return the scores of all names, one tensor for each of SPOKEN."""
        normed = self.norm(seen)
        shares = self.queries(normed).softmax(dim=1)
        pooled = torch.einsum("ntq,ntw->nqw", shares, normed)
        return [name(pooled[:, place]) for place, name in enumerate(self.names)]

    def loss(self, seen: Tensor, given: list[Tensor], looks: list[Look]) -> Tensor:
        """Return the loss of embeddings `seen` that came from layers that gave `given`."""
        named, patches, middles, covers = self._losses(seen, given[INNER], looks)
        return named + 5.0 * patches + 10.0 * middles + 10.0 * covers

    def _losses(self, seen: Tensor, inner: Tensor, looks: list[Look]) -> tuple[Tensor, ...]:
        wanted, normed = labels([item.scene for item in looks]), self.norm(seen)
        named = [
            functional.cross_entropy(scores, wanted[:, at]) for at, scores in enumerate(self(seen))
        ]
        shapes = torch.from_numpy(np.stack([item.shapes for item in looks]))
        middles = torch.from_numpy(np.stack([item.middles for item in looks]))
        patches = functional.cross_entropy(self.shapes(normed).flatten(0, 1), shapes.flatten())
        centred = functional.binary_cross_entropy_with_logits(self.middles(normed)[..., 0], middles)
        fine = torch.from_numpy(np.stack([item.covers for item in looks]))
        covered = functional.binary_cross_entropy_with_logits(self.covers(inner), fine)
        return torch.stack(named).sum(), patches, centred, covered


def pixels_of(looks: list[Look]) -> Tensor:
    """Return the pixels of all looks, looks x side x side x 3."""
    return torch.from_numpy(np.stack([item.pixels for item in looks]))


def labels(scenes: list[Scene]) -> Tensor:
    """Return the places of the names of SPOKEN, scenes x 4."""
    places = [
        (
            COUNTS.index(item.count),
            list(COLOURS).index(item.colour),
            SHAPES.index(item.shape),
            list(BACKGROUNDS).index(item.background),
        )
        for item in scenes
    ]
    return torch.tensor(places)


def first_look(eyes: Eyes, glimpse: Glimpse, seed: int, steps: int = STEPS) -> None:
    """Train the encoder for some steps with names alone."""
    random = Random(seed)
    both = nn.ModuleDict({"eyes": eyes, "glimpse": glimpse})
    teacher = Teacher(both, steps, 1.0)
    began = time.monotonic()
    for step in range(steps):
        hard = min(1.0, step / (EASY_SHARE * steps))
        looks = [look(some_scene(random), random, hard) for _ in range(BATCH)]
        given = eyes.layers(pixels_of(looks))
        loss = glimpse.loss(eyes.project(given[-1]), given, looks)
        torch.autograd.backward(loss)
        teacher.step()
        if step % 50 == 0 or step == steps - 1:
            spent = time.monotonic() - began
            say(f"look {step} loss {loss.item():.3f} {spent:.0f} s")
    for shown in checks(eyes, glimpse, seed):
        say(shown)


def checks(eyes: Eyes, glimpse: Glimpse, seed: int) -> Iterator[str]:
    """Yield how often each name is right on held-out scenes."""
    random = Random(seed + 1)
    scenes = [some_scene(random, held_out=True) for _ in range(500)]
    pixels = pixels_of([look(scene, random) for scene in scenes])
    with torch.no_grad():
        right = torch.stack([item.argmax(dim=1) for item in glimpse(eyes(pixels))], dim=1)
    same = right == labels(scenes)
    shares = " ".join(f"{100 * share:.1f}" for share in same.float().mean(dim=0).tolist())
    yield f"held out, right %: {shares}, all {100 * same.all(dim=1).float().mean().item():.1f}"
