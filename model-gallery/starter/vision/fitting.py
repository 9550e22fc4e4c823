"""Brings pictures to the size that the model sees, as the engine does, and wears them out."""

import io
import math
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]

SIDE = 96
PAD = (122, 116, 104)
FORMATS = ("JPEG", "JPEG", "WEBP")


def fit(image: Image.Image) -> Image.Image:
    """Return a SIDE x SIDE picture: resized with its aspect kept, the rest filled with PAD.

    The same as the engine does for `clip.projector_type` mlp (`PAD_CEIL`, bicubic).
    """
    if image.size == (SIDE, SIDE):
        return image
    scale = min(SIDE / image.width, SIDE / image.height)
    width = min(SIDE, math.ceil(image.width * scale - 1e-4))
    height = min(SIDE, math.ceil(image.height * scale - 1e-4))
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    fitted = Image.new("RGB", (SIDE, SIDE), PAD)
    fitted.paste(resized, ((SIDE - width) // 2, (SIDE - height) // 2))
    return fitted


def worn(image: Image.Image, random: Random) -> Image.Image:
    """Return the picture as small files, cameras and picture models may give it."""
    if random.random() < 0.35:
        image = _small(image, random)
    if random.random() < 0.25:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 2.0)))
    if random.random() < 0.3:
        image = _noisy(image, random)
    if random.random() < 0.25:
        image = _packed(image, random)
    return image


def _small(image: Image.Image, random: Random) -> Image.Image:
    share = math.exp(random.uniform(math.log(20 / SIDE), 0.0))
    size = (max(6, round(image.width * share)), max(6, round(image.height * share)))
    kinds = (Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.NEAREST)
    small = image.resize(size, random.choice(kinds))
    if random.random() < 0.3:
        small = _packed(small, random)
    kinds = (Image.Resampling.BICUBIC, Image.Resampling.BICUBIC, Image.Resampling.NEAREST)
    return small.resize(image.size, random.choice(kinds))


def _packed(image: Image.Image, random: Random) -> Image.Image:
    file = io.BytesIO()
    image.save(file, random.choice(FORMATS), quality=random.randint(30, 95), method=0)
    return Image.open(file).convert("RGB")


def _noisy(image: Image.Image, random: Random) -> Image.Image:
    """Add noise that is coarse or fine, coloured or grey, and some uneven light."""
    generator = np.random.default_rng(random.getrandbits(32))
    values = np.asarray(image, dtype=np.float32)
    cell = random.choice((1, 1, 3, 6, 12))
    rows, columns = image.height // cell + 1, image.width // cell + 1
    channels = random.choice((1, 3))
    coarse = generator.standard_normal((rows, columns, channels), dtype=np.float32)
    noise = coarse.repeat(cell, axis=0).repeat(cell, axis=1)[: image.height, : image.width]
    noise *= random.uniform(2.0, 14.0)
    light = random.uniform(-12.0, 12.0) * np.linspace(-1.0, 1.0, image.width, dtype=np.float32)
    return Image.fromarray((values + noise + light[:, None]).clip(0, 255).astype(np.uint8))
